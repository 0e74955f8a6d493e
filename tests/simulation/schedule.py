"""One thing at a time: which task sends its next statement is a choice of the seed, never of the machine.

Every statement, pipeline and COMMIT of the program waits here for its turn. A turn is given only when everything else is at rest.
"""

import asyncio
import contextlib
import datetime as datetime_module
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from random import Random
from types import SimpleNamespace
from typing import Any, Self, TypeVar

import psycopg
import stamina
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.simulation.faults import ANYWHERE, AT_COMMIT, SERVER_SAYS, Fault, drop, end_backend, lose_answer_of_commit, say
from tests.simulation.underway import UnderWay, let_go_on

from holdfast.bookings import handlers, seats
from holdfast.cache import RedisLink
from holdfast.common import ids
from holdfast.database import Database, Query, Tx, engine
from holdfast.events import consumers
from holdfast.inventory import repository as inventory
from holdfast.payments import service as payments_service
from holdfast.waiting import sight

T = TypeVar("T")

# A COMMIT is where most can go wrong.
FAULTS_AT_COMMIT = 4
COMMIT = "COMMIT"
CLOCK_JUMP_MAX = timedelta(hours=30)


@dataclass
class Process:
    """One process of the program: what of it must vanish at once when it is killed."""

    name: str
    databases: list[Database] = field(default_factory=list)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    is_dead: bool = False

    async def die(self, control: psycopg.AsyncConnection[Any]) -> None:
        """As ``kill -9`` would have it: its connections end, and none of its tasks ever comes back."""
        self.is_dead = True
        open_still = [pg for database in self.databases for pg in database._opened if not pg.closed]
        for pg in open_still:
            # What is stopped does not hear that it shall end.
            let_go_on(pg)
            drop(pg)
        # Else the server would notice in its own time, and who waits for whom until then would be the machine's choice.
        for pg in open_still:
            await end_backend(control, pg)


@dataclass(frozen=True)
class Deed:
    """One operation with dice of its own, so that what it throws does not depend on who threw before it."""

    number: int
    dice: Random


PROCESS: ContextVar[Process] = ContextVar("process")
DEED: ContextVar[Deed] = ContextVar("deed")


@dataclass
class Parked:
    """A task that waits for its turn."""

    deed: int
    process: Process
    pg: psycopg.AsyncConnection[Any]
    what: str
    turn: "asyncio.Future[Fault | None]"


class Schedule:
    """Gives turns, and now and then a fault with one."""

    def __init__(self, random: Random, control: psycopg.AsyncConnection[Any], *, faults_per_1000: int) -> None:
        """``control`` is a superuser's connection outside of all this."""
        self.random = random
        self.control = control
        self.turns = 0
        self.circles: list[str] = []
        """Who waited for each other in the server, which must never be."""
        self.struck: dict[Fault, int] = {}
        self.clock_offset = timedelta()
        # In the middle of a month for which there are partitions, whatever the clock does.
        self.began = datetime_module.datetime.now(datetime_module.UTC).replace(day=15, hour=12, minute=0, second=0, microsecond=0)
        self.on_fault: Callable[[Fault, Process], Awaitable[None]] | None = None
        self.faults_per_1000 = faults_per_1000
        self._parked: list[Parked] = []
        self._under_way = UnderWay(control)
        self._in_pipeline: set[int] = set()
        self._lost: list[asyncio.Future[Fault | None]] = []
        self._is_over = False
        self._trace = hashlib.sha256()

    # What the program does ---------------------------------------------------------------------------------------------------------

    async def statement(self, tx: Tx, statement: object, send: Callable[[], Awaitable[T]]) -> T:
        """Wait for a turn, and send a statement."""
        if id(tx.pg) in self._in_pipeline:
            return await send()
        fault = await self._turn(tx.pg, statement.name if isinstance(statement, Query) else "built")
        with self._under_way.until_back(tx.pg):
            await self._strike(fault, tx.pg)
            return await send()

    @asynccontextmanager
    async def pipeline(self, tx: Tx, opened: contextlib.AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """A pipeline is one turn."""
        fault = await self._turn(tx.pg, "pipeline")
        with self._under_way.until_back(tx.pg):
            await self._strike(fault, tx.pg)
            self._in_pipeline.add(id(tx.pg))
            try:
                async with opened as pipeline:
                    yield pipeline
            finally:
                self._in_pipeline.discard(id(tx.pg))

    async def commit(self, pg: psycopg.AsyncConnection[Any], send: Callable[[], Awaitable[None]]) -> None:
        """Wait for a turn, and commit."""
        if pg.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            await send()
            return
        fault = await self._turn(pg, COMMIT)
        with self._under_way.until_back(pg):
            if fault is Fault.ANSWER_LOST:
                lose_answer_of_commit(pg)
            await self._strike(fault, pg)
            await send()

    async def outside(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Something that waits for a server and needs no turn: connecting, Redis."""
        if PROCESS.get().is_dead:
            raise psycopg.OperationalError("the process is dead")
        with self._under_way.until_back(None):
            return await ask()

    async def _turn(self, pg: psycopg.AsyncConnection[Any], what: str) -> Fault | None:
        process = PROCESS.get()
        waits: asyncio.Future[Fault | None] = asyncio.get_running_loop().create_future()
        if self._is_over:
            raise psycopg.OperationalError("the simulation is over")
        if process.is_dead:
            # Whoever is dead waits until the end.
            self._lost.append(waits)
        else:
            self._parked.append(Parked(DEED.get().number, process, pg, what, waits))
        return await waits

    async def _strike(self, fault: Fault | None, pg: psycopg.AsyncConnection[Any]) -> None:
        if fault in SERVER_SAYS:
            await say(pg, fault)
        elif fault is Fault.KILLED_BEFORE:
            await end_backend(self.control, pg)

    # What the seed decides ---------------------------------------------------------------------------------------------------------

    async def give_a_turn(self) -> bool:
        """Wait until everything rests, and let one task go on; False where nobody waits for a turn: then only time can help."""
        await self._under_way.rest()
        self._lost += [parked.turn for parked in self._parked if parked.process.is_dead]
        self._parked = [parked for parked in self._parked if not parked.process.is_dead and not parked.turn.done()]
        if not self._parked:
            self.circles += await self._under_way.break_circle()
            return False
        self.turns += 1
        # Not in the order in which they came, which is the machine's.
        self._parked.sort(key=lambda parked: (parked.deed, parked.what))
        chosen = self._parked.pop(self.random.randrange(len(self._parked)))
        fault = self._draw(chosen)
        self._trace.update(f"{chosen.deed} {chosen.process.name} {chosen.what} {fault} of {len(self._parked)}\n".encode())
        if fault is not None:
            self.struck[fault] = self.struck.get(fault, 0) + 1
            if fault not in SERVER_SAYS and fault not in (Fault.KILLED_BEFORE, Fault.ANSWER_LOST):
                assert self.on_fault is not None
                await self.on_fault(fault, chosen.process)
                fault = None
        if chosen.process.is_dead:
            self._lost.append(chosen.turn)
        else:
            chosen.turn.set_result(fault)
        return True

    @property
    def trace(self) -> str:
        """Names the whole course of events: whose turn it was, for what, among how many."""
        return self._trace.hexdigest()[:16]

    def end(self) -> None:
        """Let whoever is dead come to an end, so that nothing is left behind."""
        self._is_over = True
        self._under_way.let_all_go_on()
        for turn in [*self._lost, *(parked.turn for parked in self._parked)]:
            if not turn.done():
                turn.set_exception(psycopg.OperationalError("the simulation is over"))

    def _draw(self, chosen: Parked) -> Fault | None:
        if self.random.randrange(1000) >= self.faults_per_1000 * (FAULTS_AT_COMMIT if chosen.what == COMMIT else 1):
            return None
        return self.random.choice(AT_COMMIT if chosen.what == COMMIT else SERVER_SAYS + ANYWHERE)

    def jump(self) -> None:
        """The clock of the program's machine is set to another time."""
        self.clock_offset = timedelta(seconds=self.random.uniform(-1, 1) * CLOCK_JUMP_MAX.total_seconds())

    # How it gets there -------------------------------------------------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[Self]:
        """Between the program and its server, until the block ends; ids and the program's own clock come from the seed too."""
        rows, run, pipeline, ask = Tx.rows, Tx.run, Tx.pipeline, RedisLink.ask
        start, commit, rollback = AsyncConnection.start, psycopg.AsyncConnection.commit, psycopg.AsyncConnection.rollback

        async def _start(connection: AsyncConnection, is_ctxmanager: bool = False) -> AsyncConnection:
            return await self.outside(lambda: start(connection, is_ctxmanager))

        async def _commit(pg: Any) -> None:
            await self.commit(pg, lambda: commit(pg))

        async def _rollback(pg: Any) -> None:
            # The dead do not tidy up.
            if not PROCESS.get().is_dead:
                await self.outside(lambda: rollback(pg))

        replaced: Sequence[tuple[object, str, object]] = (
            (Tx, "rows", lambda tx, statement, **named: self.statement(tx, statement, lambda: rows(tx, statement, **named))),
            (Tx, "run", lambda tx, statement, **named: self.statement(tx, statement, lambda: run(tx, statement, **named))),
            (Tx, "pipeline", lambda tx: self.pipeline(tx, pipeline(tx))),
            (AsyncConnection, "start", _start),
            (RedisLink, "ask", lambda link, command, otherwise: self.outside(lambda: ask(link, command, otherwise))),
            (psycopg.AsyncConnection, "commit", _commit),
            (psycopg.AsyncConnection, "rollback", _rollback),
            (ids, "_randomness", SimpleNamespace(take=lambda: int.from_bytes(_bytes(10)))),
            (ids, "time", SimpleNamespace(time_ns=lambda: int(self._now().timestamp() * 1e9))),
            (seats, "time", SimpleNamespace(monotonic=lambda: self.turns / 100)),
            (sight, "time", SimpleNamespace(monotonic=lambda: self.turns / 100)),
            (consumers, "time", SimpleNamespace(monotonic=lambda: self.turns / 100)),
            (handlers, "datetime", _clock(self._now)),
            (payments_service, "OVERLOADED_WAITS_S", (0.0, 0.0, 0.0)),
            # Whoever waits too long is told so by a fault: when the server's own deadlines pass depends on the machine.
            (engine, "_OPTIONS", "-c statement_timeout=1h -c lock_timeout=1h -c timezone=UTC"),
            (engine, "TRANSACTION_TIMEOUT_MS", 3_600_000),
            (inventory.SQL.short_wait, "text", inventory.SQL.short_wait.text.replace("250ms", "1h")),
            (inventory.SQL.usual_wait, "text", inventory.SQL.usual_wait.text.replace("2s", "1h")),
        )
        before = [(place, name, getattr(place, name)) for place, name, _ in replaced]
        stamina.set_testing(True, attempts=3, cap=True)
        try:
            for place, name, value in replaced:
                setattr(place, name, value)
            yield self
        finally:
            for place, name, value in before:
                setattr(place, name, value)
            stamina.set_testing(False)

    def _now(self) -> datetime_module.datetime:
        return self.began + timedelta(milliseconds=self.turns) + self.clock_offset


def _clock(now: Callable[[], datetime_module.datetime]) -> type[datetime_module.datetime]:
    class Clock(datetime_module.datetime):
        """What the program takes for the time of its machine."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return now().astimezone(tz)

    return Clock


def _bytes(size: int) -> bytes:
    return DEED.get().dice.randbytes(size)
