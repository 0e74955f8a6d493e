"""What notifications announce."""

from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.events import Event
from holdfast.notifications.models import NotificationId, NotificationType


class NotificationCreated(Event, frozen=True, kw_only=True):
    """Somebody has something new to read."""

    subject: ClassVar[str] = "notification_id"
    notification_id: NotificationId
    user_id: UserId
    type: NotificationType
