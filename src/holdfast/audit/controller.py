"""The audit log over HTTP."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from holdfast.audit.dto import ANY_ID, AuditEntryView, read_any_id, with_zone
from holdfast.audit.repository import Sought
from holdfast.audit.service import AuditService
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.guards import provided, requires
from holdfast.common.paging import PageRequest, PageView


class AuditController(Controller):
    path = "/audit/logs"
    tags = ("Audit",)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_entries(
        self,
        service: NamedDependency[AuditService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        entity: Annotated[str | None, QueryParameter(max_length=100, description="What was acted on, such as booking.")] = None,
        entity_id: Annotated[str | None, QueryParameter(name="entityId", pattern=ANY_ID, description="Its id.")] = None,
        actor_id: Annotated[UserId | None, QueryParameter(name="actorId", description="Who acted.")] = None,
        action: Annotated[str | None, QueryParameter(max_length=100, description="What was done, such as session.cancelled.")] = None,
        since: Annotated[datetime | None, QueryParameter(description="The first instant that counts.")] = None,
        until: Annotated[datetime | None, QueryParameter(description="The first instant that counts no longer.")] = None,
    ) -> PageView[AuditEntryView]:
        """Who did what, newest first. Looking is written down too."""
        thing = None if entity_id is None else read_any_id(entity_id, "entityId")
        sought = Sought(entity, thing, actor_id, action, with_zone(since, "since"), with_zone(until, "until"))
        found = await service.list_entries(actor, sought, page)
        return PageView.of(found, page, AuditEntryView.of)


def router(service: AuditService) -> Router:
    return Router(path="/", route_handlers=[AuditController], dependencies={"service": provided(service)})
