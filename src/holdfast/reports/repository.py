"""The statements of reports. They read across modules, and write nothing."""

from datetime import date

from holdfast.database import Tx, queries
from holdfast.reports.models import FinanceRow, Grouping, Totals, Window

SQL = queries(__file__)


async def one_snapshot(tx: Tx) -> None:
    await tx.run(SQL.one_snapshot)


async def window(tx: Tx, first_day: date | None, last_day: date | None, *, days: int, zone: str) -> Window:
    found = await tx.first(SQL.window, Window, first_day=first_day, last_day=last_day, days=days, zone=zone)
    assert found is not None
    return found


async def finance(tx: Tx, grouping: Grouping, span: Window, zone: str, after: tuple[str, str], limit: int) -> list[FinanceRow]:
    return await tx.all(
        SQL.finance,
        FinanceRow,
        grouping=grouping.value,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        zone=zone,
        after_key=after[0],
        after_currency=after[1],
        limit=limit,
    )


async def totals(tx: Tx, span: Window) -> list[Totals]:
    return await tx.all(SQL.totals, Totals, starts_at=span.starts_at, ends_at=span.ends_at)
