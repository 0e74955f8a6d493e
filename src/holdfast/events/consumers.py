"""Reading the log: consumers, whose effects commit with their cursor, followers, whose effects lie outside, and the tail."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import psycopg
import structlog

from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown, Tx
from holdfast.database.retries import ConnectionLost
from holdfast.events import repository
from holdfast.events.event import Event, Recorded
from holdfast.events.models import LogPosition

BATCH = 500
PASSING_OVER_S_MAX = 0.5
"""How long a reader passes over what it does not want before it keeps its place. As long as it reads, nobody sees what is newer."""
IDLE_WAIT_S = 0.1
FAILURE_WAIT_S = 1.0

log = structlog.get_logger()


class Consumer(Protocol):
    """Applies each event that it wants once: what it writes through ``tx`` and its cursor commit together."""

    name: str
    wants: frozenset[type[Event]]

    async def consume(self, tx: Tx, events: Sequence[Recorded]) -> None: ...


class Follower(Protocol):
    """Does something outside the database (empties a cache, say), at least once for each event that it wants: repeating it must do
    no harm."""

    name: str
    wants: frozenset[type[Event]]

    async def follow(self, events: Sequence[Recorded]) -> None: ...


async def consume_next(database: Database, consumer: Consumer) -> int:
    """Give a consumer its next batch; returns how many events it was. 0 also while another worker has its turn."""
    async with database.transaction() as tx:
        cursor = await repository.lock_cursor(tx, consumer.name)
        if cursor is None:
            await repository.open_cursor(tx, consumer.name)
            cursor = await repository.lock_cursor(tx, consumer.name)
            if cursor is None:
                return 0
        events, end = await _read_wanted(tx, cursor, consumer.wants)
        if end == cursor:
            return 0
        if events:
            await consumer.consume(tx, events)
        await repository.move_cursor(tx, consumer.name, end)
        return max(len(events), 1)


async def follow_next(database: Database, follower: Follower) -> int:
    """Give a follower its next batch; returns how many events it was."""
    async with database.transaction() as tx:
        await repository.open_cursor(tx, follower.name)
        cursor = await repository.read_cursor(tx, follower.name)
        events, end = await _read_wanted(tx, cursor, follower.wants)
    if end == cursor:
        return 0
    if events:
        await follower.follow(events)
    async with database.transaction() as tx:
        await repository.move_cursor(tx, follower.name, end)
    return max(len(events), 1)


async def run_consumer(database: Database, consumer: Consumer) -> None:
    """Feed one consumer until cancelled. A failure is logged and its batch tried again."""
    await _run(consumer.name, lambda: consume_next(database, consumer))


async def run_follower(database: Database, follower: Follower) -> None:
    """Feed one follower until cancelled."""
    await _run(follower.name, lambda: follow_next(database, follower))


async def tail(database: Database, *, wait_s: float = IDLE_WAIT_S, after: LogPosition | None = None) -> AsyncIterator[Sequence[Recorded]]:
    """New events from now on (or from a place in the log), without a stored cursor: for what each process does for itself."""
    position = after
    while True:
        try:
            async with database.reading() as tx:
                position = position or await repository.end_of_log(tx)
                events, position = await repository.read_after(tx, position, BATCH)
        except (psycopg.OperationalError, ConnectionLost, Overloaded) as error:
            log.warning("event_log_unreadable", reason=str(error))
            await asyncio.sleep(FAILURE_WAIT_S)
            continue
        if events:
            yield events
        else:
            await asyncio.sleep(wait_s)


async def end_of_log(database: Database) -> LogPosition:
    """Where a reader begins that wants only what is new."""
    async with database.reading() as tx:
        return await repository.end_of_log(tx)


async def read_on(database: Database, after: LogPosition) -> tuple[Sequence[Recorded], LogPosition]:
    """One batch of what stands after a place in the log, and where it ends: at ``after`` itself when there is nothing more."""
    async with database.reading() as tx:
        return await repository.read_after(tx, after, BATCH)


async def _read_wanted(tx: Tx, after: LogPosition, wants: frozenset[type[Event]]) -> tuple[Sequence[Recorded], LogPosition]:
    """The next batch that has something wanted in it; what is passed over costs no commit of its own."""
    give_up_at, end = time.monotonic() + PASSING_OVER_S_MAX, after
    while True:
        events, reached = await repository.read_after(tx, end, BATCH, wants)
        if events or reached == end or time.monotonic() > give_up_at:
            return events, reached
        end = reached


async def _run(name: str, step: "Step") -> None:
    while True:
        began = time.monotonic()
        try:
            done = await step()
        except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
            log.warning("consumer_waits", consumer=name, reason=str(error))
            await asyncio.sleep(FAILURE_WAIT_S)
            continue
        except Exception:
            # A fault of ours in one consumer must not end the others, and not lose its event either.
            log.exception("consumer_failed", consumer=name)
            await asyncio.sleep(FAILURE_WAIT_S)
            continue
        # Whoever has much to catch up with takes half of the time, so that others get on.
        await asyncio.sleep(time.monotonic() - began if done else IDLE_WAIT_S)


class Step(Protocol):
    async def __call__(self) -> int: ...
