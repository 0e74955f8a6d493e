"""Summing up, for admins."""

from datetime import date

import structlog
from msgspec import Struct

from holdfast import audit
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.paging import Page, PageRequest, decode_cursor, encode_cursor
from holdfast.database import Database, retried
from holdfast.reports import repository
from holdfast.reports.models import FinanceRow, Grouping, ReportId, Totals, Window

DAY_ZONE = "Africa/Cairo"
"""Whose midnight a day begins at."""

DAYS_DEFAULT = 31
DAYS_MAX = 3_660
YEARS = range(2001, 2101)

log = structlog.get_logger()


class FinanceReport(Struct, frozen=True):
    """A page of figures, and the totals of the whole window."""

    window: Window
    page: Page[FinanceRow]
    totals: tuple[Totals, ...]


class ReportService:
    """The use cases of reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retried
    async def finance(
        self, actor: Actor, grouping: Grouping, page: PageRequest, *, first_day: date | None = None, last_day: date | None = None
    ) -> FinanceReport:
        """What was taken, given back, earned and paid out, by day, route or driver; that an admin looked is audited.

        ``last_day`` is exclusive; without days, the last 31. The totals are made from both sides: payments, refunds and payouts,
        and the ledger. Raises Invalid.
        """
        for name, day in (("from", first_day), ("to", last_day)):
            if day is not None and day.year not in YEARS:
                raise Invalid((name, "Send a day of this century."))
        if first_day and last_day and not 0 < (last_day - first_day).days <= DAYS_MAX:
            raise Invalid(("to", "Send a day after the first one, at most ten years later."))
        after = decode_cursor(page.cursor, parts=2) if page.cursor else ("", "")
        async with self._database.transaction() as tx:
            await repository.one_snapshot(tx)
            window = await repository.window(tx, first_day, last_day, days=DAYS_DEFAULT, zone=DAY_ZONE)
            rows = await repository.finance(tx, grouping, window, DAY_ZONE, (after[0], after[1]), page.limit + 1)
            totals = await repository.totals(tx, window)
            await audit.record(tx, [Deed(actor, "report.viewed", ReportId.new(), after=_facts(grouping, window))])
        for each in totals:
            if not each.agree:
                log.error("books_disagree", currency=each.currency, booked=str(each.booked), ledger=str(each.in_ledger))
        return FinanceReport(window, Page.cut(rows, page, lambda row: encode_cursor(row.key, row.currency)), tuple(totals))


def _facts(grouping: Grouping, window: Window) -> dict[str, object]:
    return {"report": "finance", "by": grouping.value, "from": window.first_day.isoformat(), "to": window.last_day.isoformat()}
