"""What was promised is held against what is shown: every way to break a promise must be seen, and nothing else."""

from typing import Any

import pytest

from holdfast.app.simulate.acknowledged import (
    Acknowledged,
    BookingPromise,
    PaymentPromise,
    booking_contradiction,
    oversold,
    payment_contradiction,
)
from holdfast.app.simulate.person import Person, Surroundings
from holdfast.app.simulate.plan import dice
from holdfast.app.simulate.tally import Tally
from holdfast.app.simulate.wire import Wire

OWNER = Person(Surroundings(Wire("http://127.0.0.1:1"), Tally(), Acknowledged()), "+201000000001", dice(1))


def booking(**said: Any) -> BookingPromise:
    promise = BookingPromise(OWNER, "bkg_1", "ses_1", 2, 16.0)
    for name, value in said.items():
        setattr(promise, name, value)
    return promise


def shown_booking(status: str, reason: str | None = None, **changed: Any) -> dict[str, Any]:
    return {"sessionId": "ses_1", "seatsCount": 2, "totalAmount": 16.0, "status": status, "endReason": reason, **changed}


HELD: dict[str, Any] = {}
RELEASED = {"is_released": True}
CONFIRMED = {"is_confirmed": True}
CANCELLED = {"is_confirmed": True, "refund": 15.0}

KEPT_PROMISES = [
    (HELD, shown_booking("PENDING"), "ACTIVE", False),
    (HELD, shown_booking("EXPIRED", "LAPSED"), "ACTIVE", False),
    (HELD, shown_booking("EXPIRED", "SALES_CLOSED"), "CLOSED", False),
    (HELD, shown_booking("CANCELLED", "CALLED_OFF"), "CANCELLED", False),
    (HELD, shown_booking("CONFIRMED"), "ACTIVE", True),
    (RELEASED, shown_booking("CANCELLED", "RELEASED_BY_CUSTOMER"), "ACTIVE", False),
    (CONFIRMED, shown_booking("CONFIRMED"), "CLOSED", True),
    (CONFIRMED, shown_booking("CANCELLED", "CALLED_OFF"), "CANCELLED", True),
    (CANCELLED, shown_booking("CANCELLED", "CANCELLED_BY_CUSTOMER"), "CLOSED", True),
]

BROKEN_PROMISES = [
    (HELD, None, "ACTIVE", False),
    (HELD, shown_booking("PENDING", sessionId="ses_2"), "ACTIVE", False),
    (HELD, shown_booking("PENDING", seatsCount=1), "ACTIVE", False),
    (HELD, shown_booking("PENDING", totalAmount=1.0), "ACTIVE", False),
    # Nobody paid for it.
    (HELD, shown_booking("CONFIRMED"), "ACTIVE", False),
    # Nobody released it.
    (HELD, shown_booking("CANCELLED", "RELEASED_BY_CUSTOMER"), "ACTIVE", False),
    # Its session is still open.
    (HELD, shown_booking("EXPIRED", "SALES_CLOSED"), "ACTIVE", False),
    (HELD, shown_booking("CANCELLED", "CALLED_OFF"), "ACTIVE", False),
    (RELEASED, shown_booking("PENDING"), "ACTIVE", False),
    (RELEASED, shown_booking("CONFIRMED"), "ACTIVE", True),
    (RELEASED, shown_booking("EXPIRED", "LAPSED"), "ACTIVE", False),
    (CONFIRMED, shown_booking("PENDING"), "ACTIVE", True),
    (CONFIRMED, shown_booking("EXPIRED", "LAPSED"), "ACTIVE", True),
    (CONFIRMED, shown_booking("CANCELLED", "CANCELLED_BY_CUSTOMER"), "ACTIVE", True),
    (CONFIRMED, shown_booking("CANCELLED", "CALLED_OFF"), "CLOSED", True),
    (CANCELLED, shown_booking("CONFIRMED"), "CLOSED", True),
]


@pytest.mark.parametrize(("said", "shown", "session_status", "tried_to_pay"), KEPT_PROMISES)
def test_a_kept_promise_is_no_contradiction(said: dict[str, Any], shown: dict[str, Any], session_status: str, tried_to_pay: bool) -> None:
    assert booking_contradiction(booking(**said), shown, session_status, tried_to_pay=tried_to_pay) is None


@pytest.mark.parametrize(("said", "shown", "session_status", "tried_to_pay"), BROKEN_PROMISES)
def test_a_broken_promise_is_seen(said: dict[str, Any], shown: dict[str, Any] | None, session_status: str, tried_to_pay: bool) -> None:
    assert booking_contradiction(booking(**said), shown, session_status, tried_to_pay=tried_to_pay) is not None


def payment(status: str, settlement: str | None = None, token: str = "tok_success", **said: Any) -> PaymentPromise:
    return PaymentPromise(OWNER, "pay_1", "bkg_1", token, 16.0, status, settlement, **said)


def shown_payment(status: str, settlement: str | None = None, back: float = 0.0, refunds: list[Any] | None = None) -> dict[str, Any]:
    return {"status": status, "settlement": settlement, "refundedAmount": back, "refunds": refunds or [], "nextAction": None}


ON = shown_booking("CONFIRMED")
AT_BANK = shown_payment("INITIATED") | {"nextAction": {"url": "http://bank/3ds/1"}}
OFF = shown_booking("CANCELLED", "CALLED_OFF")
GIVEN_UP = shown_booking("CANCELLED", "CANCELLED_BY_CUSTOMER")

KEPT_PAYMENTS = [
    (payment("SUCCESS", "KEPT"), shown_payment("SUCCESS", "KEPT"), CONFIRMED, ON),
    (payment("SUCCESS", "KEPT"), shown_payment("SUCCESS", "KEPT", 15.0), CANCELLED, GIVEN_UP),
    (payment("SUCCESS", "KEPT"), shown_payment("REFUNDED", "KEPT", 16.0), CONFIRMED, OFF),
    (payment("SUCCESS", "TOO_LATE"), shown_payment("REFUNDED", "TOO_LATE", 16.0), HELD, shown_booking("EXPIRED", "LAPSED")),
    (payment("SUCCESS", "MISMATCH"), shown_payment("REFUNDED", "MISMATCH", 15.99), HELD, shown_booking("EXPIRED", "LAPSED")),
    (payment("FAILED"), shown_payment("FAILED"), HELD, ON),
    (payment("FAILED", token="tok_late_capture"), shown_payment("SUCCESS", "KEPT"), HELD, ON),
    (payment("INITIATED"), shown_payment("SUCCESS", "KEPT"), CONFIRMED, ON),
    (payment("INITIATED"), AT_BANK, HELD, shown_booking("EXPIRED", "LAPSED")),
    (
        payment("SUCCESS", "KEPT", token="tok_refund_declined"),
        shown_payment("SUCCESS", "KEPT", 0.0, [{"amount": 15.0, "status": "FAILED"}]),
        CANCELLED,
        GIVEN_UP,
    ),
]

BROKEN_PAYMENTS = [
    (payment("SUCCESS", "KEPT"), None, CONFIRMED, ON),
    (payment("SUCCESS", "KEPT"), shown_payment("FAILED"), CONFIRMED, ON),
    (payment("SUCCESS", "KEPT"), shown_payment("REFUNDED", "TOO_LATE", 16.0), CONFIRMED, ON),
    # Money that was not to go back went back, and the other way round.
    (payment("SUCCESS", "KEPT"), shown_payment("SUCCESS", "KEPT", 1.0), CONFIRMED, ON),
    (payment("SUCCESS", "KEPT"), shown_payment("SUCCESS", "KEPT", 0.0), CANCELLED, GIVEN_UP),
    (payment("SUCCESS", "KEPT"), shown_payment("SUCCESS", "KEPT", 15.0), CONFIRMED, OFF),
    (payment("SUCCESS", "TOO_LATE"), shown_payment("SUCCESS", "TOO_LATE", 0.0), HELD, shown_booking("EXPIRED", "LAPSED")),
    (payment("FAILED"), shown_payment("SUCCESS", "KEPT"), HELD, ON),
    # Nobody ever found out.
    (payment("INITIATED", was_at_bank=True), AT_BANK, HELD, shown_booking("EXPIRED", "LAPSED")),
    (payment("INITIATED"), shown_payment("INITIATED"), HELD, shown_booking("EXPIRED", "LAPSED")),
]


@pytest.mark.parametrize(("promise", "shown", "said", "booking_shown"), KEPT_PAYMENTS)
def test_a_payment_that_went_its_way(
    promise: PaymentPromise, shown: dict[str, Any], said: dict[str, Any], booking_shown: dict[str, Any]
) -> None:
    assert payment_contradiction(promise, shown, booking(**said), booking_shown) is None


@pytest.mark.parametrize(("promise", "shown", "said", "booking_shown"), BROKEN_PAYMENTS)
def test_a_payment_that_went_astray(
    promise: PaymentPromise, shown: dict[str, Any] | None, said: dict[str, Any], booking_shown: dict[str, Any]
) -> None:
    assert payment_contradiction(promise, shown, booking(**said), booking_shown) is not None


def test_seats_sold_twice_are_counted_by_the_answers_alone() -> None:
    bookings = [BookingPromise(OWNER, f"bkg_{number}", "ses_1", 2, 16.0) for number in range(3)]
    shown = {each.id: shown_booking("CONFIRMED") for each in bookings}
    assert oversold(bookings, shown, {"ses_1": 6}) == []
    assert oversold(bookings, shown, {"ses_1": 5}) == ["ses_1: 6 of 5 seats sold"]


def test_of_two_admins_one_hears_late_what_the_other_has_done() -> None:
    acknowledged = Acknowledged()
    acknowledged.decided_payout("pyt_1", "PAID")
    acknowledged.decided_payout("pyt_1", "APPROVED")
    assert acknowledged.decisions == {"pyt_1": "PAID"}
