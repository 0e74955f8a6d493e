"""Runs several actors, each on a connection of its own, one statement at a time, in an order that somebody else decides.

An actor stops before every statement and before the end of its transaction. Whoever decides lets one of those that stand there go
on, and is asked again when all others stand, wait for a lock, or are done. That an actor waits is asked of PostgreSQL, not guessed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import AsyncPipeline
from psycopg.rows import dict_row
from sqlalchemy.sql import Executable
from tests.interleavings.footprints import CLOCK, Access, Mode, Rows, end_of, less_what_is_owned, name_of, taken, touched

from holdfast.database import Database, Query, Tx
from holdfast.inventory import repository as inventory

# How long the database is given to answer before it is asked whether it waits: an answer that comes sooner is not delayed.
PATIENCE_S = 0.002
RUN_S_MAX = 60.0
STEPS_MAX = 150

# Whose waits end when is for the scheduler to say.
_NOT_SENT = (inventory.SQL.short_wait, inventory.SQL.usual_wait)


class Deadlock(Exception):
    """Actors wait for each other in a circle."""


class Endless(Exception):
    """An actor goes on and on, and comes to no end."""


class Stuck(Exception):
    """Nothing moved for too long: a fault of this harness."""


class Abandoned(Exception):
    """What an actor is told whose run is not worth finishing: it rolls back."""


@dataclass
class Step:
    """One statement, or the end of a transaction."""

    actor: str
    name: str
    accesses: tuple[Access, ...]
    waited_for: frozenset[str] = frozenset()
    """Whose end it was that let this step go on, where it had to wait for a lock."""
    released_by: set[int] = field(default_factory=set)
    """The places, in the run, of those ends."""


class Actor:
    """One who does something with a database of its own. ``deed`` is the program's own function."""

    def __init__(self, name: str, changed: asyncio.Event, *, lapses: bool) -> None:
        self.name = name
        self.lapses = lapses
        self.next: Step | None = None
        self.last: Step | None = None
        self.pid = 0
        self.is_blocked = False
        self.blockers: frozenset[str] = frozenset()
        self.task: asyncio.Task[object] | None = None
        self._changed = changed
        self._go = asyncio.Event()
        self._abandoned = False

    @property
    def is_done(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def is_ready(self) -> bool:
        """Standing before a step."""
        return self.next is not None

    @property
    def is_running(self) -> bool:
        return not (self.is_done or self.is_ready or self.is_blocked)

    async def stop(self, name: str, accesses: tuple[Access, ...]) -> Step:
        """Stand before a step until told to go on. Raises Abandoned."""
        if self._abandoned:
            raise Abandoned
        step = Step(self.name, name, accesses)
        self.next = step
        self._changed.set()
        await self._go.wait()
        self._go.clear()
        if self._abandoned:
            raise Abandoned
        return step

    def go(self) -> Step:
        assert self.next is not None
        step, self.next, self.last = self.next, None, self.next
        self._go.set()
        return step

    def abandon(self) -> None:
        self._abandoned = True
        self.next = None
        self._go.set()


class GatedTx(Tx):
    """A transaction that stops before each of its statements. What is sent in one pipeline is one step: it waits but once."""

    __slots__ = ("_accesses", "_actor", "_in_pipeline", "_owned", "_step")

    def __init__(self, tx: Tx, actor: Actor) -> None:
        super().__init__(tx.connection, tx.pg)
        self._actor = actor
        self._accesses: list[Access] = []
        self._owned: dict[str, frozenset[object]] = {}
        self._step: Step | None = None
        self._in_pipeline = False

    async def rows(self, statement: Query | Executable, **parameters: object) -> Sequence[Mapping[str, Any]]:
        before = await self._before(statement, parameters)
        try:
            found = await super().rows(statement, **parameters)
        except BaseException:
            self._accesses += before
            raise
        self._after(statement, parameters, before, found)
        return found

    async def run(self, statement: Query | Executable, **parameters: object) -> int:
        if statement in _NOT_SENT:
            return 0
        before = await self._before(statement, parameters)
        try:
            count = await super().run(statement, **parameters)
        except BaseException:
            self._accesses += before
            raise
        self._after(statement, parameters, before, None)
        return count

    def pipeline(self) -> AbstractAsyncContextManager[AsyncPipeline]:
        return self._pipeline()

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[AsyncPipeline]:
        self._in_pipeline = True
        self._step = None
        try:
            async with super().pipeline() as pipeline:
                yield pipeline
        finally:
            self._in_pipeline = False
            self._step = None

    async def end(self, *, commits: bool) -> None:
        """Stand before COMMIT or ROLLBACK."""
        await self._actor.stop("COMMIT" if commits else "ROLLBACK", end_of(self._accesses, commits=commits))

    async def _before(self, statement: object, parameters: Mapping[str, object]) -> tuple[Access, ...]:
        accesses = self._touched(statement, parameters, None)
        if self._step is not None:
            self._step.accesses += accesses
            return accesses
        step = await self._actor.stop(name_of(statement), accesses)
        if self._in_pipeline:
            self._step = step
        return accesses

    def _after(self, statement: object, parameters: Mapping[str, object], before: tuple[Access, ...], rows: Rows | None) -> None:
        exact = self._touched(statement, parameters, rows)
        step = self._actor.last
        if step is not None and step.accesses == before:
            step.accesses = exact
        whole = touched(statement, parameters, rows, lapses=self._actor.lapses)
        self._accesses += whole
        for each in taken(statement, whole, rows):
            assert each.keys is not None
            self._owned[each.table] = self._owned.get(each.table, frozenset()) | each.keys

    def _touched(self, statement: object, parameters: Mapping[str, object], rows: Rows | None) -> tuple[Access, ...]:
        return less_what_is_owned(touched(statement, parameters, rows, lapses=self._actor.lapses), self._owned)


class GatedDatabase(Database):
    """The database of one actor: one connection, whose deadlines are lifted, because it may be made to wait for long."""

    def __init__(self, url: str) -> None:
        super().__init__(url, connections=1, readers=0, name="interleavings", patient=True)
        self.actor: Actor | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        actor = self.actor
        if actor is None:
            async with super().transaction() as tx:
                yield tx
            return
        async with super().transaction() as tx:
            actor.pid = tx.pg.info.backend_pid
            gated = GatedTx(tx, actor)
            try:
                yield gated
            except Abandoned:
                raise
            except BaseException:
                await gated.end(commits=False)
                raise
            await gated.end(commits=True)


Decide = Callable[[Sequence[Step]], str | None]
"""Which of those that stand before a step goes on; None ends the run."""


@dataclass
class Run:
    """What happened: the steps in their order, and what each actor came to."""

    steps: list[Step]
    results: dict[str, object]
    pending: list[Step]
    """Steps that nobody took, because the run was ended."""
    no_end: str = ""
    """Who waits for whom in a circle, or who goes on for ever."""


class Scheduler:
    """Runs deeds against one database. ``watch`` is a connection that sees who waits for whom."""

    def __init__(self, watch: psycopg.AsyncConnection[Any], databases: Mapping[str, GatedDatabase]) -> None:
        self._watch = watch
        self._databases = databases

    async def run(self, deeds: Mapping[str, Callable[[], Awaitable[object]]], decide: Decide, *, lapses: bool) -> Run:
        """Run each deed to its end, one step after the other, as ``decide`` says.

        The deed named "clock" is no actor of the database: it is one step, in which time moves.
        """
        changed = asyncio.Event()
        actors = {name: Actor(name, changed, lapses=lapses) for name in deeds}
        for name, actor in actors.items():
            if name in self._databases:
                self._databases[name].actor = actor
            deed = _pass_time(actor, deeds[name]) if name == CLOCK else deeds[name]()
            actor.task = asyncio.ensure_future(deed)
            actor.task.add_done_callback(lambda _: changed.set())
        run = Run([], {}, [])
        try:
            async with asyncio.timeout(RUN_S_MAX):
                await self._follow(run, actors, changed, decide)
        except (Deadlock, Endless) as found:
            run.no_end = str(found)
        except TimeoutError as error:
            raise Stuck([(step.actor, step.name) for step in run.steps]) from error
        finally:
            await self._end(actors)
        for name, actor in actors.items():
            assert actor.task is not None
            run.results[name] = actor.task.exception() or actor.task.result()
        return run

    async def _follow(self, run: Run, actors: Mapping[str, Actor], changed: asyncio.Event, decide: Decide) -> None:
        await self._settle(actors, changed)
        while ready := [actor.next for actor in actors.values() if actor.next is not None]:
            chosen = decide(ready)
            if chosen is None:
                run.pending = ready
                return
            if len(run.steps) >= STEPS_MAX:
                raise Endless(f"after {STEPS_MAX} steps {' and '.join(step.actor for step in ready)} still go on")
            blocked = {name: actor for name, actor in actors.items() if actor.is_blocked}
            step = actors[chosen].go()
            run.steps.append(step)
            if step.name in ("COMMIT", "ROLLBACK"):
                for actor in blocked.values():
                    actor.is_blocked = False
            before = {name: actor.blockers for name, actor in blocked.items()}
            await self._settle(actors, changed)
            for name, waited_for in before.items():
                if step.name in ("COMMIT", "ROLLBACK") and chosen in waited_for:
                    last = actors[name].last
                    assert last is not None
                    last.released_by.add(len(run.steps) - 1)
        if not all(actor.is_done for actor in actors.values()):
            raise Deadlock(_waits(actors))

    async def _settle(self, actors: Mapping[str, Actor], changed: asyncio.Event) -> None:
        """Wait until everybody stands before a step, is done, or waits for somebody who does not move."""
        suspected = False
        while running := [actor for actor in actors.values() if actor.is_running]:
            changed.clear()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await changed.wait()
                continue
            except TimeoutError:
                pass
            waits = await self._who_waits(running, actors)
            moving = {actor.name for actor in running if not waits.get(actor.name)}
            while more := {name for name, whom in waits.items() if name not in moving and whom & moving}:
                moving |= more
            if moving or any(not actor.is_running for actor in running):
                suspected = False
                continue
            if not suspected and _circle(waits, actors):
                # Asked twice: the two halves of a circle were not seen at one moment.
                suspected = True
                continue
            for actor in running:
                actor.is_blocked, actor.blockers = True, waits[actor.name]
                assert actor.last is not None
                actor.last.waited_for |= actor.blockers
            if suspected:
                raise Deadlock(_waits(actors))

    async def _who_waits(self, running: Sequence[Actor], actors: Mapping[str, Actor]) -> dict[str, frozenset[str]]:
        by_pid = {actor.pid: actor.name for actor in actors.values() if actor.pid}
        async with self._watch.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(
                "SELECT pid, pg_blocking_pids(pid) AS blockers FROM unnest(%s::integer[]) AS pid",
                ([actor.pid for actor in running if actor.pid],),
                prepare=True,
            )
            rows = await cursor.fetchall()
        found: dict[str, frozenset[str]] = {}
        for row in rows:
            # Somebody else's lock (autovacuum, say) goes away by itself.
            if row["blockers"] and all(pid in by_pid for pid in row["blockers"]):
                found[by_pid[row["pid"]]] = frozenset(by_pid[pid] for pid in row["blockers"])
        return found

    async def _end(self, actors: Mapping[str, Actor]) -> None:
        """Let whoever is left roll back. Who waits in a circle is freed by the end of the others' connections."""
        left = [actor for actor in actors.values() if not actor.is_done]
        blocked = [actor for actor in left if actor.is_blocked or actor.is_running]
        if blocked:
            await self._watch.execute(
                "SELECT pg_cancel_backend(pid) FROM unnest(%s::integer[]) AS pid", ([actor.pid for actor in blocked],)
            )
        for actor in left:
            actor.abandon()
        tasks = [actor.task for actor in left if actor.task is not None]
        if tasks:
            await asyncio.wait(tasks)
        for name in actors:
            if name in self._databases:
                self._databases[name].actor = None


async def _pass_time(actor: Actor, clock: Callable[[], Awaitable[object]]) -> None:
    await actor.stop("the deadline passes", (Access(CLOCK, Mode.SHOW),))
    await clock()


def _circle(waits: Mapping[str, frozenset[str]], actors: Mapping[str, Actor]) -> bool:
    """Whether somebody waits, through others, for himself."""
    whom = dict(waits) | {actor.name: actor.blockers for actor in actors.values() if actor.is_blocked and actor.name not in waits}
    for start in whom:
        seen: set[str] = set()
        reached = set(whom[start])
        while reached - seen:
            seen |= reached
            reached |= {further for name in reached for further in whom.get(name, ())}
        if start in seen:
            return True
    return False


def _waits(actors: Mapping[str, Actor]) -> str:
    return ", ".join(f"{actor.name} waits for {' and '.join(sorted(actor.blockers))}" for actor in actors.values() if actor.is_blocked)
