"""A shop, and what its people are told."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from tests.shop import Shop

from holdfast import events
from holdfast.common.actor import Actor
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.events import Event
from holdfast.events.consumers import consume_next
from holdfast.notifications import module
from holdfast.notifications.models import Told
from holdfast.notifications.module import NotificationsModule
from holdfast.resources.kind import Kinds


@dataclass(frozen=True)
class Post:
    """Carries what happened to those whom it concerns."""

    shop: Shop
    notifications: NotificationsModule

    async def publish(self, *happened: Event) -> None:
        async with self.shop.database.transaction() as tx:
            await events.publish(tx, happened)

    async def deliver(self) -> None:
        """Let the consumer read the log to its end."""
        while await consume_next(self.shop.database, self.notifications.consumer):
            pass

    async def told(self, actor: Actor, *, only_unread: bool = False) -> Sequence[Told]:
        return (await self.notifications.service.list_own(actor, PageRequest(limit=100), only_unread=only_unread)).page.rows

    async def unread(self, actor: Actor) -> int:
        return (await self.notifications.service.list_own(actor, PageRequest(), only_unread=True)).unread


@pytest.fixture
async def post(database: Database) -> Post:
    shop = Shop(database)
    await shop.open()
    return Post(shop, module.build(database, Kinds(shop.sessions.kind)))
