"""The statements of clearing, one function each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from holdfast.clearing.models import (
    Difference,
    DifferenceId,
    Found,
    Line,
    Moved,
    MovementKind,
    SettlementLine,
    SettlementLineId,
    Source,
)
from holdfast.common.actor import UserId
from holdfast.database import Tx, queries

SQL = queries(__file__)


async def business_now(tx: Tx) -> datetime:
    found: datetime = await tx.value(SQL.business_now)
    return found


async def booked(
    tx: Tx, gateway: str, kinds: Sequence[MovementKind], since: datetime, ids: Sequence[UUID], *, grace: timedelta
) -> list[Moved]:
    return await tx.all(SQL.booked, Moved, gateway=gateway, kinds=[kind.value for kind in kinds], since=since, ids=list(ids), grace=grace)


async def insert_lines(tx: Tx, gateway: str, lines: Sequence[Line]) -> list[SettlementLine]:
    """Those that were not there yet."""
    return await tx.all(
        SQL.insert_lines,
        SettlementLine,
        gateway=gateway,
        ids=sorted(SettlementLineId.new() for _ in lines),
        kinds=[line.kind.value for line in lines],
        references=[line.reference for line in lines],
        subject_ids=[line.subject_id for line in lines],
        grosses=[line.gross for line in lines],
        fees=[line.fee for line in lines],
        nets=[line.net for line in lines],
        currencies=[line.currency for line in lines],
        dates=[line.settled_on for line in lines],
    )


async def lines_since(tx: Tx, gateway: str, since: datetime) -> list[SettlementLine]:
    return await tx.all(SQL.lines_since, SettlementLine, gateway=gateway, since=since)


async def unsettled(tx: Tx, gateway: str, since: datetime, *, within: timedelta) -> list[Moved]:
    return await tx.all(SQL.unsettled, Moved, gateway=gateway, since=since, within=within)


async def open_since(tx: Tx, gateway: str, source: Source) -> datetime | None:
    found: datetime | None = await tx.value(SQL.open_since, gateway=gateway, source=source.value)
    return found


async def see_differences(tx: Tx, gateway: str, source: Source, found: Sequence[Found]) -> None:
    if not found:
        return
    await tx.run(
        SQL.see_differences,
        gateway=gateway,
        source=source.value,
        ids=[DifferenceId.new() for _ in found],
        ours=[each.ours for each in found],
        theirs=[each.theirs for each in found],
        currencies=[each.currency for each in found],
        **_named(found),
    )


async def resolve_gone(tx: Tx, gateway: str, source: Source, found: Sequence[Found]) -> list[Difference]:
    return await tx.all(SQL.resolve_gone, Difference, gateway=gateway, source=source.value, **_named(found))


async def announce_overdue(tx: Tx, *, age: timedelta, limit: int) -> list[Difference]:
    return await tx.all(SQL.announce_overdue, Difference, age=age, limit=limit)


async def count_overdue(tx: Tx, *, age: timedelta) -> int:
    found: int = await tx.value(SQL.count_overdue, age=age)
    return found


async def lock_difference(tx: Tx, difference_id: DifferenceId) -> Difference | None:
    return await tx.first(SQL.lock_difference, Difference, id=difference_id)


async def resolve(tx: Tx, difference_id: DifferenceId, resolved_by: UserId, note: str) -> Difference:
    resolved = await tx.first(SQL.resolve, Difference, id=difference_id, resolved_by=resolved_by, note=note)
    assert resolved is not None, "whoever resolves has locked it and read its state after that"
    return resolved


async def list_differences(
    tx: Tx, gateway: str | None, before: DifferenceId | None, limit: int, *, with_resolved: bool
) -> list[Difference]:
    return await tx.all(SQL.list_differences, Difference, gateway=gateway, with_resolved=with_resolved, before=before, limit=limit)


def _named(found: Sequence[Found]) -> dict[str, list[str]]:
    return {
        "kinds": [each.kind.value for each in found],
        "movements": [each.movement.value for each in found],
        "subjects": [each.subject for each in found],
    }
