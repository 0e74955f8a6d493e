"""Notifications: who is told what about which thing."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Boolean, CheckConstraint, Index, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.bookings.models import BookingId
from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.complaints.models import ComplaintId
from holdfast.database.base import Base
from holdfast.events import EventId
from holdfast.payments.models import PaymentId
from holdfast.payouts.models import PayoutId
from holdfast.resources.kind import Description
from holdfast.sessions.models import SessionId


class NotificationId(Id, prefix="ntf"):
    __slots__ = ()


class NotificationType(StrEnum):
    """What people are told about. Each has its words in ``texts.py``."""

    BOOKING_CONFIRMED = "BOOKING_CONFIRMED"
    BOOKING_CONFIRMED_LATE = "BOOKING_CONFIRMED_LATE"
    BOOKING_CANCELLED = "BOOKING_CANCELLED"
    BOOKING_EXPIRED = "BOOKING_EXPIRED"
    SESSION_CANCELLED = "SESSION_CANCELLED"
    PAYMENT_REFUSED = "PAYMENT_REFUSED"
    PAYMENT_REFUNDED = "PAYMENT_REFUNDED"
    REFUND_DECLINED = "REFUND_DECLINED"
    PAYMENT_ALLOWED = "PAYMENT_ALLOWED"
    PAYMENT_DENIED = "PAYMENT_DENIED"
    SESSION_FULL = "SESSION_FULL"
    SEATS_CAME_BACK = "SEATS_CAME_BACK"
    PAYOUT_APPROVED = "PAYOUT_APPROVED"
    PAYOUT_PAID = "PAYOUT_PAID"
    PAYOUT_REJECTED = "PAYOUT_REJECTED"
    PAYOUT_SET_OFF = "PAYOUT_SET_OFF"
    PAYOUT_RETURNED = "PAYOUT_RETURNED"
    PAYOUT_ACCOUNT_CHANGED = "PAYOUT_ACCOUNT_CHANGED"
    DRIVER_APPROVED = "DRIVER_APPROVED"
    DRIVER_REJECTED = "DRIVER_REJECTED"
    COMPLAINT_IN_REVIEW = "COMPLAINT_IN_REVIEW"
    COMPLAINT_ANSWERED = "COMPLAINT_ANSWERED"
    PAYMENT_DISPUTED = "PAYMENT_DISPUTED"
    DISPUTE_LOST = "DISPUTE_LOST"
    DIFFERENCE_OVERDUE = "DIFFERENCE_OVERDUE"


class NotificationTable(Base):
    """What one person is told about one event, once. No foreign key to users: the event log must not stop at a person."""

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("event_id", "user_id", "type", name="notifications_once"),
        CheckConstraint("type ~ '^[A-Z_]{3,40}$'", name="type"),
        CheckConstraint("jsonb_typeof(payload) = 'object'", name="payload"),
        Index("notifications_user_id_idx", "user_id", "id"),
        Index("notifications_unread_idx", "user_id", "id", postgresql_where=text("NOT is_read")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    event_id: Mapped[UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, object]] = mapped_column(JSONB)
    is_read: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Payload(Struct, frozen=True, omit_defaults=True):
    """What the words of a notification are made from: ids and facts, nothing personal."""

    booking_id: BookingId | None = None
    session_id: SessionId | None = None
    payment_id: PaymentId | None = None
    payout_id: PayoutId | None = None
    complaint_id: ComplaintId | None = None
    quantity: int | None = None
    amount: Amount | None = None
    reason: str | None = None


class Notice(Struct, frozen=True):
    """That somebody is to be told something; every admin, where ``user_id`` is None."""

    user_id: UserId | None
    type: NotificationType
    payload: Payload


class Addressed(Struct, frozen=True):
    """A notice about an event of the log."""

    event_id: EventId
    notice: Notice


class Notification(Struct, frozen=True):
    """A notification as read. ``type`` may be one that only a newer version of the program knows."""

    id: NotificationId
    user_id: UserId
    type: str
    payload: Payload
    is_read: bool
    created_at: datetime


class Told(Struct, frozen=True):
    """A notification, and in words what it is about, where it is about something with a name."""

    notification: Notification
    about: Description | None
