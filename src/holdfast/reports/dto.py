"""Views of reports."""

from datetime import date
from typing import Self
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.language import Language
from holdfast.common.money import Amount, JsonAmount
from holdfast.common.paging import PageRequest, PageView, Pagination
from holdfast.reports.models import Figures, FinanceRow, Grouping, Totals
from holdfast.reports.service import FinanceReport
from holdfast.routes.models import RouteId


class FiguresView(Struct, frozen=True, rename="camel"):
    """Money of one currency: ``gross`` is captured less refunded, ``earned`` is what of it the drivers earned."""

    captured: JsonAmount
    refunded: JsonAmount
    gross: JsonAmount
    service_fees: JsonAmount
    earned: JsonAmount
    paid_out: JsonAmount
    currency: str

    @classmethod
    def of(cls, figures: Figures) -> Self:
        def amount(minor: int) -> JsonAmount:
            return JsonAmount(Amount(figures.currency, minor))

        return cls(
            captured=amount(figures.captured),
            refunded=amount(figures.refunded),
            gross=amount(figures.gross),
            service_fees=amount(figures.fees),
            earned=amount(figures.earned),
            paid_out=amount(figures.paid_out),
            currency=figures.currency,
        )


class FinanceRowView(Struct, frozen=True, rename="camel"):
    """Figures of one day, route or driver; all three are null for what was not earned on a route."""

    day: date | None
    route_id: str | None
    route_name: str | None
    driver_id: str | None
    payments: int
    figures: FiguresView

    @classmethod
    def of(cls, row: FinanceRow, grouping: Grouping, language: Language) -> Self:
        names = (row.name_ar, row.name_en) if language is Language.AR else (row.name_en, row.name_ar)
        return cls(
            day=date.fromisoformat(row.key) if row.key and grouping is Grouping.DAY else None,
            route_id=str(RouteId.of(UUID(row.key))) if row.key and grouping is Grouping.ROUTE else None,
            route_name=names[0] or names[1],
            driver_id=str(UserId.of(UUID(row.key))) if row.key and grouping is Grouping.DRIVER else None,
            payments=row.payments,
            figures=FiguresView.of(row),
        )


class TotalsView(Struct, frozen=True, rename="camel"):
    """The whole window from both sides. ``agree``: both say the same to the last piastre."""

    booked: FiguresView
    ledger: FiguresView
    agree: bool

    @classmethod
    def of(cls, totals: Totals) -> Self:
        return cls(booked=FiguresView.of(totals.booked), ledger=FiguresView.of(totals.in_ledger), agree=totals.agree)


class FinanceView(PageView[FinanceRowView], frozen=True, rename="camel", kw_only=True):
    """Figures from the first day to before the last."""

    by: Grouping
    first_day: date
    last_day: date
    totals: list[TotalsView]

    @classmethod
    def shown(cls, report: FinanceReport, grouping: Grouping, request: PageRequest, language: Language) -> Self:
        return cls(
            data=[FinanceRowView.of(row, grouping, language) for row in report.page.rows],
            pagination=Pagination(request.limit, report.page.next_cursor),
            by=grouping,
            first_day=report.window.first_day,
            last_day=report.window.last_day,
            totals=[TotalsView.of(totals) for totals in report.totals],
        )
