"""The statements of notifications."""

from collections.abc import Sequence

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.wire import stored
from holdfast.database import Tx, queries
from holdfast.notifications.models import Addressed, Notification, NotificationId, NotificationType

SQL = queries(__file__)


class Added(Struct, frozen=True):
    """A notification that was not there yet."""

    id: NotificationId
    user_id: UserId
    type: NotificationType


async def add(tx: Tx, wanted: Sequence[Addressed]) -> Sequence[Added]:
    """Write what was not there yet, and return it."""
    if not wanted:
        return []
    return await tx.all(
        SQL.add,
        Added,
        # Lists are in the order of ids, and those made within one millisecond have none.
        ids=sorted(NotificationId.new() for _ in wanted),
        user_ids=[each.notice.user_id for each in wanted],
        event_ids=[each.event_id for each in wanted],
        types=[each.notice.type.value for each in wanted],
        payloads=[stored(each.notice.payload).decode() for each in wanted],
    )


async def list_own(tx: Tx, user_id: UserId, before: NotificationId | None, limit: int, *, only_unread: bool) -> Sequence[Notification]:
    return await tx.all(SQL.list_own, Notification, user_id=user_id, before=before, limit=limit, only_unread=only_unread)


async def count_unread(tx: Tx, user_id: UserId) -> int:
    unread: int = await tx.value(SQL.count_unread, user_id=user_id)
    return unread


async def mark_read(tx: Tx, user_id: UserId, notification_id: NotificationId) -> Notification | None:
    return await tx.first(SQL.mark_read, Notification, id=notification_id, user_id=user_id)


async def mark_all_read(tx: Tx, user_id: UserId) -> int:
    """How many had not been read."""
    return await tx.run(SQL.mark_all_read, user_id=user_id)
