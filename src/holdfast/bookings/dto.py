"""Bookings on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.bookings.models import Booking, HeldBooking
from holdfast.bookings.service import Cancellation, Changed
from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.money import Amount, JsonAmount
from holdfast.inventory import HoldId
from holdfast.payments.models import Destination
from holdfast.sessions.models import SessionId

SEATS_MAX = 8


class HoldSeats(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Seats that someone wants in a session."""

    session_id: SessionId
    seats_count: Annotated[int, Meta(ge=1, le=SEATS_MAX, description="Seats, 1 to 8.", examples=[2])]


class CheckIn(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which booking is on board."""

    booking_id: Annotated[str, Meta(min_length=1, max_length=64)]


class CancelBooking(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How someone cancels. ``refundRequested: false`` gives the fare up; ``refundTo: "WALLET"`` has it in the wallet at once instead of
    where it came from. ``reason`` is accepted and not kept: people write anything.
    """

    reason: Annotated[str, Meta(max_length=500)] | None = None
    refund_requested: bool = True
    refund_to: Destination = Destination.SOURCE


class ChangeBooking(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How many seats a confirmed booking is to have instead."""

    seats_count: Annotated[int, Meta(ge=1, le=SEATS_MAX, description="Seats, 1 to 8.", examples=[1])]


class HoldView(Struct, frozen=True, rename="camel"):
    """Seats that are held until ``expiresAt``, and what they cost."""

    booking_id: str
    hold_id: str
    session_id: str
    seats_count: int
    status: BookingState
    expires_at: datetime
    fare_amount: JsonAmount
    service_fee: JsonAmount
    total_amount: JsonAmount
    currency: str
    available_seats: int

    @classmethod
    def of(cls, held: HeldBooking) -> Self:
        return cls(
            booking_id=str(held.id),
            hold_id=str(HoldId.of(held.id)),
            session_id=str(SessionId.of(held.owner_id)),
            seats_count=held.quantity,
            status=BookingState.PENDING,
            expires_at=held.expires_at,
            fare_amount=JsonAmount(held.fare),
            service_fee=JsonAmount(held.service_fee),
            total_amount=JsonAmount(held.fare + held.service_fee),
            currency=held.fare.currency,
            available_seats=held.available,
        )


class BookingView(Struct, frozen=True, rename="camel"):
    """A booking as its customer sees it. ``expiresAt`` is until when it can be paid; null once it cannot."""

    booking_id: str
    session_id: str
    seats_count: int
    status: BookingState
    fare_amount: JsonAmount
    service_fee: JsonAmount
    total_amount: JsonAmount
    currency: str
    expires_at: datetime | None
    confirmed_at: datetime | None
    checked_in_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    created_at: datetime

    @classmethod
    def of(cls, booking: Booking) -> Self:
        return cls(
            booking_id=str(booking.id),
            session_id=str(SessionId.of(booking.owner_id)),
            seats_count=booking.quantity,
            status=booking.status,
            fare_amount=JsonAmount(Amount(booking.currency, booking.fare)),
            service_fee=JsonAmount(Amount(booking.currency, booking.service_fee)),
            total_amount=JsonAmount(booking.total),
            currency=booking.currency,
            expires_at=booking.expires_at if booking.status is BookingState.PENDING else None,
            confirmed_at=booking.confirmed_at,
            checked_in_at=booking.checked_in_at,
            ended_at=booking.ended_at,
            end_reason=booking.end_reason,
            created_at=booking.created_at,
        )


class CancellationView(Struct, frozen=True, rename="camel"):
    """A cancelled booking. ``refundStatus`` is ``none`` where nothing goes back, ``done`` where a wallet has it, else ``processing``."""

    booking_id: str
    status: BookingState
    refund_amount: JsonAmount
    currency: str
    refund_status: str
    cancelled_at: datetime

    @classmethod
    def of(cls, cancellation: Cancellation) -> Self:
        return cls(
            booking_id=str(cancellation.id),
            status=cancellation.status,
            refund_amount=JsonAmount(cancellation.refund),
            currency=cancellation.refund.currency,
            refund_status="done" if cancellation.is_refunded else _refund_status(cancellation.refund),
            cancelled_at=cancellation.cancelled_at,
        )


class ChangeView(Struct, frozen=True, rename="camel"):
    """A booking after a change, and the fare that goes back. ``refundStatus`` is as in a cancellation."""

    booking: BookingView
    refund_amount: JsonAmount
    currency: str
    refund_status: str

    @classmethod
    def of(cls, changed: Changed) -> Self:
        return cls(BookingView.of(changed.booking), JsonAmount(changed.refund), changed.refund.currency, _refund_status(changed.refund))


def _refund_status(refund: Amount) -> str:
    return "processing" if refund.minor else "none"
