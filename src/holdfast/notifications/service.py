"""Reading what one was told."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from holdfast import idempotency
from holdfast.common.actor import Actor
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.notifications import repository
from holdfast.notifications.errors import NotificationUnknown
from holdfast.notifications.models import Notification, NotificationId, Told
from holdfast.resources.kind import Booked, Description, Kinds
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId


class Inbox(Struct, frozen=True):
    """One page of what somebody was told, and how much of all of it is unread."""

    page: Page[Told]
    unread: int


class MarkedRead(Struct, frozen=True):
    """How many notifications turned from unread to read."""

    number: int


class NotificationService:
    """The use cases of notifications."""

    def __init__(self, database: Database, kinds: Kinds) -> None:
        self._database = database
        self._kinds = kinds

    async def list_own(self, actor: Actor, page: PageRequest, *, only_unread: bool) -> Inbox:
        """A person's notifications, newest first."""
        async with self._database.reading() as tx:
            rows = await repository.list_own(tx, actor.id, page.after(NotificationId), page.limit + 1, only_unread=only_unread)
            found = Page.cut(rows, page, lambda notification: encode_cursor(str(notification.id)))
            unread = await repository.count_unread(tx, actor.id)
            return Inbox(Page(await self._tell(tx, found.rows), found.next_cursor), unread)

    @retried
    async def mark_read(self, actor: Actor, key: IdempotencyKey | None, notification_id: NotificationId) -> Told:
        """Somebody has read a notification. Doing it again changes nothing. Raises NotificationUnknown."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Told) as once:
            if once.replay:
                return once.replay
            found = await repository.mark_read(tx, actor.id, notification_id)
            if found is None:
                raise NotificationUnknown
            return once.keep((await self._tell(tx, [found]))[0])

    @retried
    async def mark_all_read(self, actor: Actor, key: IdempotencyKey | None) -> MarkedRead:
        """Somebody has read all there is."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, MarkedRead) as once:
            return once.replay or once.keep(MarkedRead(await repository.mark_all_read(tx, actor.id)))

    async def _tell(self, tx: Tx, notifications: Sequence[Notification]) -> list[Told]:
        sessions = {each.payload.session_id for each in notifications if each.payload.session_id is not None}
        described = await self._describe(tx, sorted(sessions))
        return [Told(each, described.get(each.payload.session_id) if each.payload.session_id else None) for each in notifications]

    async def _describe(self, tx: Tx, sessions: Sequence[SessionId]) -> Mapping[SessionId, Description]:
        if not sessions:
            return {}
        found = await self._kinds[SESSION_KIND].describe(tx, [Booked(session_id, 1) for session_id in sessions])
        return dict(zip(sessions, found, strict=True))
