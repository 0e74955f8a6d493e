"""What clients ask for over a socket, what they are answered, and what is said in rooms."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.money import JsonAmount
from holdfast.notifications.models import NotificationType
from holdfast.sessions.states import SessionState

Name = Annotated[str, Meta(max_length=64)]
Token = Annotated[str, Meta(min_length=1, max_length=4096)]


class SignIn(Struct, frozen=True):
    """The ``auth`` of a connection. Without a token one may watch what is public."""

    token: Token | None = None


class JoinRequest(Struct, frozen=True, forbid_unknown_fields=True):
    room: Name


class LeaveRequest(Struct, frozen=True, forbid_unknown_fields=True):
    room: Name


class SyncRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """``after`` is the ``sequence`` of the last message that was seen in the room, or of the answer to ``join``."""

    room: Name
    after: Name


class RenewRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """A fresh access token, before the old one ends."""

    token: Token


class Joined(Struct, frozen=True):
    """Whoever reads the state over HTTP from now on misses nothing. ``sequence`` is where to sync from."""

    room: str
    sequence: str


class Synced(Struct, frozen=True):
    """What was missed has been sent, and the room is joined. With ``resync`` it was too much: read the state over HTTP."""

    room: str
    sequence: str
    resync: bool


class Left(Struct, frozen=True):
    room: str


class Renewed(Struct, frozen=True, rename="camel"):
    user_id: str


class Message(Struct, frozen=True, kw_only=True, rename="camel"):
    """What every message carries.

    ``sequence`` orders the messages of a room, the same in every process. ``version`` orders what they say of one thing: of the
    seats of a session for ``session.*`` and ``seat.*``, of the booking, payment or notification otherwise. Drop an older version
    than the one you show. A message can come twice; ``eventId`` and the name say so.
    """

    event_id: str
    sequence: str
    version: int
    occurred_at: datetime


class SessionUpdated(Message, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """``session.updated``: the state of a session or the number of its free seats changed. ``status`` only where it may have."""

    session_id: str
    available_seats: int
    total_seats: int | None = None
    status: SessionState | None = None
    route_id: str | None = None
    station_id: str | None = None


class SessionFull(Message, frozen=True, kw_only=True, rename="camel"):
    """``session.full``: every seat is sold."""

    session_id: str
    route_id: str
    total_seats: int


class SessionClosed(Message, frozen=True, kw_only=True, rename="camel"):
    """``session.closed``: it left (CLOSED) or was called off (CANCELLED)."""

    session_id: str
    route_id: str
    status: SessionState


class SeatBooked(Message, frozen=True, kw_only=True, rename="camel"):
    """``seat.booked``: seats were paid for."""

    session_id: str
    seats: int
    available_seats: int


class SeatReleased(Message, frozen=True, kw_only=True, rename="camel"):
    """``seat.released``: seats that were held, or sold (``wasSold``), can be had again."""

    session_id: str
    seats: int
    available_seats: int
    was_sold: bool


class BookingConfirmed(Message, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """``booking.confirmed``, to the customer and to the driver."""

    booking_id: str
    seats: int
    status: BookingState
    session_id: str | None = None


class BookingChanged(Message, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """``booking.changed``, to the customer and to the driver: a confirmed booking as it is now."""

    booking_id: str
    seats: int
    status: BookingState
    session_id: str | None = None


class BookingCancelled(Message, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """``booking.cancelled``: CANCELLED, or EXPIRED when it was not paid for in time. To the driver only where it had been paid for."""

    booking_id: str
    seats: int
    status: BookingState
    session_id: str | None = None
    reason: EndReason | None = None


class PaymentSuccess(Message, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """``payment.success``, to the payer and to the driver whom it pays."""

    payment_id: str
    amount: JsonAmount
    currency: str
    booking_id: str | None = None


class NotificationCreated(Message, frozen=True, kw_only=True, rename="camel"):
    """``notification.created``: there is something new to read at /notifications."""

    notification_id: str
    type: NotificationType


class SignInEnded(Struct, frozen=True):
    """``signin.ended``: the access token expired or was revoked, and these rooms were left. Renew, then join them again."""

    rooms: list[str]
