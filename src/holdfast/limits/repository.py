"""The statements of the limits."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from holdfast.database import Tx, queries

SQL = queries(__file__)


class Window(Struct, frozen=True):
    """How often a subject used a limit in the present window, and when that window ends."""

    used: int
    seconds_left: float


class _Row(Struct, frozen=True):
    name: str
    subject: str
    used: int
    seconds_gone: float


async def count(tx: Tx, uses: Sequence[tuple[str, str, timedelta]]) -> Mapping[tuple[str, str], Window]:
    """Count one use of each (name, subject, length of its windows); no pair may be given twice."""
    rows = await tx.all(
        SQL.count,
        _Row,
        names=[name for name, _, _ in uses],
        subjects=[subject for _, subject, _ in uses],
        windows=[window for _, _, window in uses],
    )
    lengths = {(name, subject): window.total_seconds() for name, subject, window in uses}
    return {(row.name, row.subject): Window(row.used, lengths[row.name, row.subject] - row.seconds_gone) for row in rows}


async def delete_old(tx: Tx, age: timedelta) -> None:
    await tx.run(SQL.delete_old, age=age)
