"""The statements of the event log."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from holdfast.common.wire import decode_hook, stored
from holdfast.database import Tx, queries
from holdfast.events.event import Event, EventId, Recorded, event_named
from holdfast.events.models import START_OF_LOG, LogPosition

SQL = queries(__file__)


class _Row(Struct, frozen=True):
    id: EventId
    epoch: int
    xid: int
    position: int
    name: str
    body: str
    occurred_at: datetime


class Lag(Struct, frozen=True):
    """How far a consumer is behind, in seconds."""

    consumer: str
    seconds: float


async def publish(tx: Tx, events: Sequence[Event]) -> None:
    """Append events to the log, in the transaction that makes them true."""
    if not events:
        return
    subjects = [event.subject_id for event in events]
    await tx.run(
        SQL.publish,
        ids=[EventId.new() for _ in events],
        names=[type(event).__name__ for event in events],
        subject_kinds=[subject.kind for subject in subjects],
        subject_ids=subjects,
        versions=[event.version for event in events],
        bodies=[stored(event).decode() for event in events],
    )


async def read_after(
    tx: Tx, after: LogPosition, limit: int, wants: Collection[type[Event]] | None = None
) -> tuple[list[Recorded], LogPosition]:
    """Those of the next events that are wanted, by default all, and how far that was: the place of the last that was looked at.

    That may be one that is not wanted, or that this version no longer knows.
    """
    names = None if wants is None else [each.__name__ for each in wants]
    place = {"epoch": after.epoch, "xid": str(after.xid), "position": after.position}
    rows = await tx.all(SQL.read_after, _Row, **place, limit=limit, names=names)
    recorded = []
    for row in rows:
        known = event_named(row.name)
        # The last row comes whatever its name.
        if known is None or (wants is not None and known not in wants):
            continue
        event = msgspec.json.decode(row.body, type=known, dec_hook=decode_hook)
        recorded.append(Recorded(row.id, LogPosition(row.epoch, row.xid, row.position), row.occurred_at, event))
    end = LogPosition(rows[-1].epoch, rows[-1].xid, rows[-1].position) if rows else after
    return recorded, end


async def end_of_log(tx: Tx) -> LogPosition:
    """Where a reader begins that wants only what is new."""
    found = await tx.first(SQL.end_of_log, LogPosition)
    return found or START_OF_LOG


async def open_cursor(tx: Tx, consumer: str) -> None:
    await tx.run(SQL.open_cursor, consumer=consumer)


async def lock_cursor(tx: Tx, consumer: str) -> LogPosition | None:
    return await tx.first(SQL.lock_cursor, LogPosition, consumer=consumer)


async def read_cursor(tx: Tx, consumer: str) -> LogPosition:
    return await tx.first(SQL.read_cursor, LogPosition, consumer=consumer) or START_OF_LOG


async def move_cursor(tx: Tx, consumer: str, to: LogPosition) -> None:
    await tx.run(SQL.move_cursor, consumer=consumer, epoch=to.epoch, xid=str(to.xid), position=to.position)


async def lags(tx: Tx) -> list[Lag]:
    """How far each consumer is behind."""
    return await tx.all(SQL.lag, Lag)
