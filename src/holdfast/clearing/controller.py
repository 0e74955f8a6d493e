"""Differences over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, patch
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from holdfast.clearing.dto import DifferenceView, ResolveRequest
from holdfast.clearing.errors import DifferenceResolvedAlready, DifferenceUnknown
from holdfast.clearing.models import DifferenceId
from holdfast.clearing.service import Clearing
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Outdated
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.idempotency import IdempotencyKey


class DifferenceController(Controller):
    path = "/admin/differences"
    tags = ("Payments",)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_differences(
        self,
        service: NamedDependency[Clearing],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        gateway: str | None = None,
        with_resolved: Annotated[bool, QueryParameter(name="withResolved")] = False,
    ) -> PageView[DifferenceView]:
        """What a gateway and our books do not agree about, newest first. That you looked at it is written into the audit log."""
        found = await service.list_all(actor, page, gateway=gateway, with_resolved=with_resolved)
        return PageView.of(found, page, DifferenceView.of)

    @patch(
        "/{difference_id:str}",
        guards=[requires(Role.ADMIN)],
        responses=refusals(DifferenceUnknown, Outdated, DifferenceResolvedAlready),
    )
    async def resolve_difference(
        self,
        difference_id: FromPath[str],
        data: JSONBody[ResolveRequest],
        service: NamedDependency[Clearing],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[DifferenceView]:
        """Say how a difference was cleared up. It does not open again, and no money is moved by that."""
        resolved = await service.resolve(actor, optional_key, DifferenceId.parse(difference_id), version, data.note)
        return tagged(DifferenceView.of(resolved), resolved.version)


def router(service: Clearing) -> Router:
    return Router(path="/", route_handlers=[DifferenceController], dependencies={"service": provided(service)})
