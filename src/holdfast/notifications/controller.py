"""Notifications over HTTP."""

from typing import Annotated

from litestar import Controller, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.status_codes import HTTP_200_OK

from holdfast.common.actor import Actor
from holdfast.common.guards import provided, refusals, requires
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest
from holdfast.idempotency import IdempotencyKey
from holdfast.notifications.dto import InboxView, MarkedReadView, NotificationView
from holdfast.notifications.errors import NotificationUnknown
from holdfast.notifications.models import NotificationId
from holdfast.notifications.service import NotificationService


class NotificationController(Controller):
    path = "/notifications"
    tags = ("Notifications",)

    @get("/", guards=[requires()])
    async def list_notifications(
        self,
        service: NamedDependency[NotificationService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        unread: Annotated[bool, QueryParameter(description="Only those that you have not read.")] = False,
    ) -> InboxView:
        """What you were told, newest first, and how much of it you have not read."""
        return InboxView.showing(await service.list_own(actor, page, only_unread=unread), page, language)

    @post("/{notification_id:str}/read", guards=[requires()], status_code=HTTP_200_OK, responses=refusals(NotificationUnknown))
    async def mark_read(
        self,
        notification_id: FromPath[str],
        service: NamedDependency[NotificationService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> NotificationView:
        """Say that you have read one notification."""
        return NotificationView.of(await service.mark_read(actor, optional_key, NotificationId.parse(notification_id)), language)

    @post("/read-all", guards=[requires()], status_code=HTTP_200_OK)
    async def mark_all_read(
        self,
        service: NamedDependency[NotificationService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> MarkedReadView:
        """Say that you have read all notifications."""
        return MarkedReadView((await service.mark_all_read(actor, optional_key)).number)


def router(service: NotificationService) -> Router:
    return Router(path="/", route_handlers=[NotificationController], dependencies={"service": provided(service)})
