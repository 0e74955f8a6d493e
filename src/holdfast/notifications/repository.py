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
    admins = await _admins(tx) if any(each.notice.user_id is None for each in wanted) else []
    told = [(each, person) for each in wanted for person in ([each.notice.user_id] if each.notice.user_id else admins)]
    return await tx.all(
        SQL.add,
        Added,
        # Lists are in the order of ids, and those made within one millisecond have none.
        ids=sorted(NotificationId.new() for _ in told),
        user_ids=[person for _, person in told],
        event_ids=[each.event_id for each, _ in told],
        types=[each.notice.type.value for each, _ in told],
        payloads=[stored(each.notice.payload).decode() for each, _ in told],
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


async def _admins(tx: Tx) -> list[UserId]:
    return [UserId.of(row["id"]) for row in await tx.rows(SQL.admins)]
