"""The ways in which a booking is refused."""

from holdfast.common.errors import NotFound, Refusal


class BookingUnknown(NotFound):
    """There is no such booking of yours."""

    code = "booking_unknown"


class TooManyLiveHolds(Refusal):
    """You have {live} bookings waiting for payment, and {live_max} is the most. Pay or release one of them first."""

    code = "too_many_live_holds"
    status = 409


class TooManyUnpaidHolds(Refusal):
    """You have held {count} times here within an hour and not paid. Let others have their turn; you can try again after {again_at}."""

    code = "too_many_unpaid_holds"
    status = 409


class BookingPending(Refusal):
    """This booking is not paid for yet. Release it if you do not want it."""

    code = "booking_pending"
    status = 409


class BookingConfirmedAlready(Refusal):
    """This booking is confirmed already. Cancel it if you do not want it."""

    code = "already_confirmed"
    status = 409


class BookingCancelledAlready(Refusal):
    """This booking was cancelled. Make a new one."""

    code = "already_cancelled"
    status = 409


class CheckedInAlready(Refusal):
    """This booking is on board already. Each can board once."""

    code = "checked_in_already"
    status = 409


class ChangeCostsMore(Refusal):
    """What you want instead costs {more} more, and a change never takes money. Book it anew, then cancel this booking."""

    code = "change_costs_more"
    status = 409


class ChangeOfPayee(Refusal):
    """What you want instead is sold by somebody else, who was not paid. Book it anew, then cancel this booking."""

    code = "change_of_payee"
    status = 409


class HoldExpired(Refusal):
    """The time to pay for this booking has run out. Make a new one."""

    code = "hold_expired"
    status = 409
