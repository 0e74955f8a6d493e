"""The ways in which a notification is refused."""

from holdfast.common.errors import NotFound


class NotificationUnknown(NotFound):
    """There is no such notification of yours."""

    code = "notification_unknown"
