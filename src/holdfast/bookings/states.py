"""The life of a booking as a table."""

from enum import StrEnum

from holdfast.bookings.errors import BookingCancelledAlready, BookingConfirmedAlready, BookingPending, HoldExpired
from holdfast.common.machine import Machine, Move


class BookingState(StrEnum):
    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class EndReason(StrEnum):
    """Why a booking ended."""

    RELEASED_BY_CUSTOMER = "RELEASED_BY_CUSTOMER"
    CANCELLED_BY_CUSTOMER = "CANCELLED_BY_CUSTOMER"
    CALLED_OFF = "CALLED_OFF"
    LAPSED = "LAPSED"
    SALES_CLOSED = "SALES_CLOSED"


BOOKING = Machine(
    name="booking",
    initial=BookingState.PENDING,
    moves=(
        Move(BookingState.PENDING, BookingState.CONFIRMED, by="a payment captured before the deadline"),
        Move(BookingState.PENDING, BookingState.CANCELLED, by="the customer releasing it, or its owner calling off"),
        Move(BookingState.PENDING, BookingState.EXPIRED, by="the deadline, or the session closing"),
        Move(BookingState.CONFIRMED, BookingState.CANCELLED, by="the customer under the policy, or its owner calling off"),
        Move(BookingState.EXPIRED, BookingState.CONFIRMED, by="late money that found its seats still free"),
    ),
    refusals={
        BookingState.PENDING: BookingPending,
        BookingState.CONFIRMED: BookingConfirmedAlready,
        BookingState.CANCELLED: BookingCancelledAlready,
        BookingState.EXPIRED: HoldExpired,
    },
)
