"""What bookings announce: ids and facts, nobody's name.

``version`` is the booking's. ``available`` is what the owner has left after it, by its own pools' ``pool_version``: whoever shows
it drops an older version than the one shown.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from holdfast.bookings.models import BookingId
from holdfast.bookings.states import EndReason
from holdfast.common.actor import UserId
from holdfast.events import Event


class BookingEvent(Event, frozen=True, kw_only=True):
    """``kind`` and ``owner_id`` say what was booked: kind "session" and the session's id."""

    subject: ClassVar[str] = "booking_id"
    booking_id: BookingId
    customer_id: UserId
    kind: str
    owner_id: UUID
    quantity: int
    available: int
    pool_version: int


class BookingHeld(BookingEvent, frozen=True, kw_only=True):
    """Units were taken until a deadline."""

    expires_at: datetime


class BookingExtended(Event, frozen=True, kw_only=True):
    """The first attempt to pay through a gateway moved the deadline."""

    subject: ClassVar[str] = "booking_id"
    booking_id: BookingId
    customer_id: UserId
    owner_id: UUID
    expires_at: datetime


class BookingConfirmed(BookingEvent, frozen=True, kw_only=True):
    """Held became sold: it is paid for. ``retaken``: the money came after the hold had lapsed, and the seats were still free."""

    payee_id: UserId
    retaken: bool = False


class BookingChanged(BookingEvent, frozen=True, kw_only=True):
    """A confirmed booking was changed to another quantity, which is what it says."""

    payee_id: UserId


class BookingCheckedIn(Event, frozen=True, kw_only=True):
    """The customer is on board."""

    subject: ClassVar[str] = "booking_id"
    booking_id: BookingId
    customer_id: UserId
    payee_id: UserId
    kind: str
    owner_id: UUID
    quantity: int


class BookingExpired(BookingEvent, frozen=True, kw_only=True):
    """The hold lapsed, or was given back when its session closed."""


class BookingCancelled(BookingEvent, frozen=True, kw_only=True):
    """The customer released or cancelled it, or its session was called off. ``was_confirmed``: it had been paid for."""

    was_confirmed: bool
    reason: EndReason
