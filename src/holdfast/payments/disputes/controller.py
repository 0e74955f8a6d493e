"""Disputes over HTTP."""

from litestar import Controller, Router, get
from litestar.di import NamedDependency

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, requires
from holdfast.common.paging import PageRequest, PageView
from holdfast.payments.disputes.dto import DisputeView
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.gateway import DisputeStatus


class DisputeController(Controller):
    path = "/admin/disputes"
    tags = ("Payments",)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_disputes(
        self,
        service: NamedDependency[Disputes],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: DisputeStatus | None = None,
    ) -> PageView[DisputeView]:
        """Payments that their payers dispute at their bank, newest first. That you looked at them is written into the audit log."""
        return PageView.of(await service.list_all(actor, page, status=status), page, DisputeView.of)


def router(service: Disputes) -> Router:
    return Router(path="/", route_handlers=[DisputeController], dependencies={"service": provided(service)})
