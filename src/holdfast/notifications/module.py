"""Puts notifications together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.notifications.controller import router
from holdfast.notifications.handlers import NotificationConsumer
from holdfast.notifications.service import NotificationService
from holdfast.resources.kind import Kinds


@dataclass(frozen=True)
class NotificationsModule:
    service: NotificationService
    router: Router
    consumer: NotificationConsumer


def build(database: Database, kinds: Kinds) -> NotificationsModule:
    """``kinds`` say in words what was booked."""
    service = NotificationService(database, kinds)
    return NotificationsModule(service, router(service), NotificationConsumer())
