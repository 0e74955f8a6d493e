"""What every simulation has: processes that may die, requests that are repeated until their sender knows, and peace at the end."""

import asyncio
import contextlib
import gc
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from random import Random
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import psycopg
import redis as redis_module
from tests.simulation.faults import Fault
from tests.simulation.schedule import DEED, PROCESS, Deed, Process, Schedule

from holdfast.app.check.examination import examine
from holdfast.cache import RedisLink
from holdfast.cache.link import _client
from holdfast.common.actor import Actor
from holdfast.common.errors import Overloaded, Refusal
from holdfast.database import Database, OutcomeUnknown
from holdfast.database.retries import ConnectionLost
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import StillRunning
from holdfast.payments.errors import PaymentRunning
from holdfast.payments.gateway import Gateway

CROWD = 8
# So many that nobody ever waits for one: that would be the machine's choice.
CONNECTIONS = 60
REPEATS_MAX = 40
END_WAIT_S = 1.0
# So many turns from one look at the counters to the next: they must be right at every moment, not only in the end.
LOOK_EVERY = 5
_MISCOUNTED = """
    SELECT p.id, p.capacity, p.held, p.sold FROM pools p
     WHERE p.held < 0 OR p.sold < 0 OR p.held + p.sold > p.capacity
        OR p.held <> (SELECT coalesce(sum(quantity), 0) FROM hold_lines WHERE pool_id = p.id)
        OR p.sold <> (SELECT coalesce(sum(quantity), 0) FROM sold_lines WHERE pool_id = p.id)
"""
NOWHERE = "unix:///nonexistent/redis.sock"

# What a caller of ours is told when nobody knows what became of his request: repeat it with the same key.
NOBODY_KNOWS = (Overloaded, StillRunning, OutcomeUnknown, ConnectionLost, psycopg.OperationalError)


class Known(Enum):
    """What a customer knows of a request."""

    NOTHING = auto()
    DONE = auto()
    REFUSED = auto()


class Running(Protocol):
    """A process of the program with what it is made of."""

    @property
    def process(self) -> Process: ...

    @property
    def database(self) -> Database: ...

    @property
    def redis(self) -> RedisLink | None: ...


R = TypeVar("R", bound=Running)


@dataclass(eq=False)
class Wish(Generic[R]):
    """One request under one key, with what its sender has been told so far."""

    actor: Actor
    key: str
    ask: Callable[[R, Actor, IdempotencyKey], Awaitable[object]]
    known: Known = Known.NOTHING
    answer: object = None


@dataclass
class Course:
    """How a simulation went. ``wrong`` says what must not be; empty is good."""

    seed: int
    trace: str
    turns: int
    told: dict[str, int]
    struck: dict[str, int]
    wrong: list[str]

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.turns} turns, {self.told}, faults {self.struck}, course {self.trace}: {self.wrong or 'all is well'}"
        )


class Simulation(ABC, Generic[R]):
    """Operations in two processes, with faults. ``seed`` decides everything that can be decided."""

    def __init__(
        self, seed: int, database_url: str, superuser: psycopg.AsyncConnection[Any], redis_url: str = "", *, faults_per_1000: int
    ) -> None:
        self.seed = seed
        self.schedule = Schedule(Random(f"schedule {seed}"), superuser, faults_per_1000=faults_per_1000)
        self.schedule.on_fault = self._strike
        self.running: list[R] = []
        self.buried: list[R] = []
        self.wrong: list[str] = []
        self.wishes: list[Wish[R]] = []
        self.superuser = superuser
        self.url = database_url
        self._dice = Random(seed)
        self._deeds = 0
        self._redis_url = redis_url
        self._redis_is_gone = False
        self._tasks: set[asyncio.Task[None]] = set()

    # What a simulation is of -----------------------------------------------------------------------------------------------------

    operations: ClassVar[Mapping[str, int]]
    """The names of its operations, each with how often it comes."""

    @abstractmethod
    def start(self, process: Process, database: Database, redis_url: str) -> R:
        """Make all objects of a process."""

    @abstractmethod
    async def settle_down(self, running: R) -> None:
        """Make what the operations need."""

    @abstractmethod
    async def work_off(self, running: R) -> None:
        """Do what a worker has to do, until nothing is left."""

    @abstractmethod
    async def judge(self) -> None:
        """Compare what was acknowledged with what is in the database."""

    def calm(self) -> None:
        """From now on nothing outside makes any trouble."""

    async def count_undone(self) -> int:
        """How much the worker has still to do."""
        return 0

    @property
    def dice(self) -> Random:
        """The dice of the operation that asks."""
        return DEED.get().dice

    async def run(self, operations: int) -> Course:
        """So many operations with faults, at most ``CROWD`` at a time, then peace, then the judgement."""
        async with self._installed():
            await self._do(self.settle_down, self.running[0], faults=False)
            begun = 0
            while begun < operations or self._tasks:
                while begun < operations and len(self._tasks) < CROWD:
                    self._begin(self._next_operation())
                    begun += 1
                await self._go_on()
            self.schedule.faults_per_1000 = 0
            await self._make_peace()
            await self.judge()
        told = {known.name: sum(wish.known is known for wish in self.wishes) for known in Known}
        struck = {fault.name: count for fault, count in sorted(self.schedule.struck.items(), key=lambda each: each[0].name)}
        return Course(self.seed, self.schedule.trace, self.schedule.turns, told, struck, self.wrong)

    # Processes -------------------------------------------------------------------------------------------------------------------

    def _start(self) -> R:
        process = Process(f"process {len(self.running) + len(self.buried) + 1}")
        database = Database(self.url, name=process.name, connections=CONNECTIONS)
        process.databases.append(database)
        return self.start(process, database, NOWHERE if self._redis_is_gone and self._redis_url else self._redis_url)

    async def _strike(self, fault: Fault, process: Process) -> None:
        match fault:
            case Fault.PROCESS_KILLED:
                await process.die(self.superuser)
                self._tasks -= process.tasks
                index = next(n for n, running in enumerate(self.running) if running.process is process)
                self.buried.append(self.running[index])
                self.running[index] = self._start()
            case Fault.CLOCK_JUMPS:
                self.schedule.jump()
            case Fault.REDIS_FLUSHED if self._redis_url:
                with contextlib.closing(redis_module.Redis.from_url(self._redis_url)) as client:
                    client.flushall()
            case Fault.REDIS_GONE if self._redis_url:
                self._redis_is_gone = not self._redis_is_gone
                for running in self.running:
                    if running.redis is not None:
                        await running.redis.close()
                        running.redis._client = _client(NOWHERE if self._redis_is_gone else self._redis_url)

    @asynccontextmanager
    async def _installed(self) -> AsyncIterator[None]:
        # Time stands still, and moves when the seed says so.
        still = f"SELECT timestamptz '{self.schedule.began.isoformat()}' + (SELECT moved FROM test_clock_offset)"
        await self.superuser.execute(
            f"CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $${still}$$".encode()
        )
        # Nor does the server look for circles of those who wait: it would hold its locks while it is stopped.
        await self.superuser.execute(
            f"ALTER ROLE holdfast_app IN DATABASE {self.superuser.info.dbname} SET deadlock_timeout = '1h'".encode()
        )
        with self.schedule.installed(), self._as(Process("nobody")):
            for _ in range(2):
                self.running.append(self._start())
            try:
                yield
            finally:
                self.schedule.end()
                everybody = self.buried + self.running
                left = [task for running in everybody for task in running.process.tasks if not task.done()]
                if left:
                    # First let them come to an end by themselves: whoever is cancelled while it connects leaves its server waiting.
                    await asyncio.wait(left, timeout=END_WAIT_S)
                for task in left:
                    task.cancel()
                await asyncio.gather(*left, return_exceptions=True)
                for running in everybody:
                    await running.database.close()
                    if running.redis is not None:
                        await running.redis.close()
                gc.collect()

    # Operations ------------------------------------------------------------------------------------------------------------------

    def _begin(self, operation: Callable[[R], Awaitable[None]], running: R | None = None) -> None:
        running = running or self._dice.choice(self.running)
        self._deeds += 1
        with self._as(running.process):
            task = asyncio.ensure_future(self._told(operation, running))
        running.process.tasks.add(task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @contextmanager
    def _as(self, process: Process) -> Iterator[None]:
        """What is begun inside is done by this process, and throws dice of its own."""
        tokens = PROCESS.set(process), DEED.set(Deed(self._deeds, Random(f"{self.seed} {self._deeds}")))
        try:
            yield
        finally:
            PROCESS.reset(tokens[0])
            DEED.reset(tokens[1])

    async def _told(self, operation: Callable[[R], Awaitable[None]], running: R) -> None:
        try:
            await operation(running)
        except NOBODY_KNOWS:
            return
        except Exception as error:
            if not running.process.is_dead:
                self.wrong.append(f"{type(error).__name__}: {error}")

    async def _go_on(self) -> None:
        if self.schedule.turns % LOOK_EVERY == 0 and not self.wrong:
            self.wrong += [f"at turn {self.schedule.turns}: {row}" for row in await self.rows(_MISCOUNTED)]
        gave = await self.schedule.give_a_turn()
        if self.schedule.circles and not self.wrong:
            self.wrong += self.schedule.circles
        if not gave and self._tasks:
            # Somebody waits for a time to pass that is not ours to give.
            await asyncio.wait(self._tasks, timeout=0.01, return_when=asyncio.FIRST_COMPLETED)

    async def _do(self, operation: Callable[[R], Awaitable[None]], running: R | None = None, *, faults: bool = True) -> None:
        """One operation, to its end, with nothing beside it."""
        before, self.schedule.faults_per_1000 = self.schedule.faults_per_1000, self.schedule.faults_per_1000 if faults else 0
        self._begin(operation, running)
        while self._tasks:
            await self._go_on()
        self.schedule.faults_per_1000 = before

    def _next_operation(self) -> Callable[[R], Awaitable[None]]:
        operation: Callable[[R], Awaitable[None]] = getattr(self, self._dice.choices(*zip(*self.operations.items(), strict=True))[0])
        return operation

    async def send(self, running: R, wish: Wish[R]) -> None:
        """Ask, and write down what one is told; what was told before must be told again."""
        key = IdempotencyKey(wish.key, b"simulated")
        try:
            answer = await wish.ask(running, wish.actor, key)
        except NOBODY_KNOWS:
            raise
        except Refusal as refusal:
            if isinstance(refusal, PaymentRunning):
                return
            if wish.known is Known.DONE:
                self.wrong.append(f"{wish.key} was done, and is refused when it is repeated: {type(refusal).__name__}")
            wish.known = Known.REFUSED
            return
        if wish.known is Known.DONE and wish.answer != answer:
            self.wrong.append(f"{wish.key} was answered {wish.answer}, and {answer} when it was repeated")
        wish.known, wish.answer = Known.DONE, answer

    def wish(self, actor: Actor, ask: Callable[[R, Actor, IdempotencyKey], Awaitable[object]]) -> Wish[R]:
        wish = Wish(actor, f"key {len(self.wishes)}", ask)
        self.wishes.append(wish)
        return wish

    async def repeat(self, running: R) -> None:
        """Somebody sends once more what he has sent before."""
        if self.wishes:
            await self.send(running, self.dice.choice(self.wishes))

    async def time_passes(self, running: R) -> None:
        await self.move_time(self.dice.random() * timedelta(minutes=3))

    async def move_time(self, by: timedelta) -> None:
        await self.superuser.execute("UPDATE test_clock_offset SET moved = moved + %s", (by,))

    # The judgement ---------------------------------------------------------------------------------------------------------------

    async def _make_peace(self) -> None:
        """Everybody whose question is open repeats it with the same key until he knows; then the worker does what is left to do."""
        self.calm()
        for _ in range(REPEATS_MAX):
            await self.move_time(timedelta(minutes=2))
            await self._do(self.work_off)
            open_wishes = [wish for wish in self.wishes if wish.known is Known.NOTHING]
            for wish in open_wishes:
                await self._do(partial(self.send, wish=wish))
            if not open_wishes and not await self.count_undone():
                break
        self.wrong += [f"nobody ever knew what became of {wish.key}" for wish in self.wishes if wish.known is Known.NOTHING]
        # Whoever asks once more is told the same.
        for wish in self.wishes:
            if wish.known is Known.DONE:
                await self._do(partial(self.send, wish=wish))

    async def rows(self, asked: str) -> list[tuple[Any, ...]]:
        """What the database says at the end."""
        return await (await self.superuser.execute(asked.encode())).fetchall()

    async def examine(self, *gateways: Gateway, consumers: Collection[str] = (), only: Collection[str] = ()) -> None:
        """Every invariant of ``holdfast check``, or those that are named."""
        found = await examine(self.url, consumers=list(consumers), gateways=gateways, settled_grace=timedelta(0), test_clock=True)
        self.wrong += [
            f"{each.number} {each.name}: {each.rows}" for each in found.findings if not each.holds and (not only or each.name in only)
        ]
