"""Reports over HTTP."""

from datetime import date
from typing import Annotated

from litestar import Controller, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, requires
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest
from holdfast.reports.dto import FinanceView
from holdfast.reports.models import Grouping
from holdfast.reports.service import ReportService


class ReportController(Controller):
    path = "/reports"
    tags = ("Reports",)

    @get("/finance", guards=[requires(Role.ADMIN)])
    async def finance(
        self,
        service: NamedDependency[ReportService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        by: Grouping = Grouping.DAY,
        first_day: Annotated[date | None, QueryParameter(name="from", description="The first day.")] = None,
        last_day: Annotated[date | None, QueryParameter(name="to", description="The day after the last one.")] = None,
    ) -> FinanceView:
        """What was taken, given back, earned and paid out, by day, route or driver; without days, the last 31.

        The totals stand there twice, from payments and from the ledger, and say whether they agree. That you looked is written into
        the audit log.
        """
        report = await service.finance(actor, by, page, first_day=first_day, last_day=last_day)
        return FinanceView.shown(report, by, page, language)


def router(service: ReportService) -> Router:
    return Router(path="/", route_handlers=[ReportController], dependencies={"service": provided(service)})
