"""What the server has promised: every answer of success, kept until the end, and what may not stand against it then (I7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.app.simulate.person import Person

View = Mapping[str, Any]

CAPTURED_LATER = "tok_late_capture"
"""The means of payment of which money is taken after it was declined."""
REFUND_DECLINED = "tok_refund_declined"
LESS_THAN_ANY_COIN = 0.001


@dataclass(slots=True)
class BookingPromise:
    """A hold that was granted, and what was said about it since."""

    owner: "Person"
    id: str
    session_id: str
    seats: int
    total: float
    is_released: bool = False
    is_confirmed: bool = False
    refund: float | None = None
    """What a cancellation said would go back; None where it was not cancelled."""

    @property
    def is_cancelled(self) -> bool:
        return self.refund is not None


@dataclass(slots=True)
class PaymentPromise:
    """A payment as it was last shown to its payer. ``was_at_bank``: the payer has said yes or no on the bank's page."""

    owner: "Person"
    id: str
    booking_id: str
    token: str
    total: float
    status: str
    settlement: str | None
    was_at_bank: bool = False


@dataclass(slots=True)
class ThingPromise:
    """Anything else: where it is read, and what must stand there."""

    owner: "Person"
    path: str
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A request that never got an answer, however often it was sent: with its key it can be asked for again."""

    owner: "Person"
    method: str
    path: str
    body: object
    what: str
    key: str
    version: int | None


class Acknowledged:
    """All promises of a run."""

    def __init__(self) -> None:
        self.bookings: dict[str, BookingPromise] = {}
        self.payments: dict[str, PaymentPromise] = {}
        self.things: dict[str, ThingPromise] = {}
        self.unknown: list[Unknown] = []
        self.payouts: dict[str, Person] = {}
        self.decisions: dict[str, str] = {}
        """The last state in the life of a payout that an admin was told of."""

    def held(self, owner: "Person", view: View) -> BookingPromise:
        """A hold was granted. Its answer may come twice, and must then be the same."""
        promise = BookingPromise(owner, view["bookingId"], view["sessionId"], view["seatsCount"], view["totalAmount"])
        return self.bookings.setdefault(promise.id, promise)

    def released(self, view: View) -> None:
        self.bookings[view["bookingId"]].is_released = True

    def cancelled(self, view: View) -> None:
        self.bookings[view["bookingId"]].refund = view["refundAmount"]

    def paid(self, owner: "Person", view: View, token: str) -> PaymentPromise:
        """A payment was shown, at any stage of it."""
        promise = self.payments.get(view["id"])
        if promise is None:
            promise = PaymentPromise(owner, view["id"], view["bookingId"], token, view["totalAmount"], view["status"], view["settlement"])
            self.payments[promise.id] = promise
        promise.status, promise.settlement = view["status"], view["settlement"]
        if view["settlement"] == "KEPT" and view["booking"] is not None and view["booking"]["status"] == "CONFIRMED":
            self.bookings[view["bookingId"]].is_confirmed = True
        return promise

    def learned(self, unknown: Unknown, view: View) -> None:
        """What became of a request whose answer was not known for long."""
        body = unknown.body if isinstance(unknown.body, dict) else {}
        match unknown.path.rpartition("/")[2]:
            case "hold":
                self.held(unknown.owner, view)
            case "pay" if "bookingId" in view:
                self.paid(unknown.owner, view, body["token"])
            case "release":
                self.released(view)
            case "cancel" if "bookingId" in view:
                self.cancelled(view)
            case "payouts":
                self.asked_for_payout(unknown.owner, view)

    def stands(self, owner: "Person", path: str, **fields: object) -> None:
        """What this person reads at ``path`` has these fields from now on, until something else is promised about them."""
        # Some paths are everybody's own.
        name = f"{path} of {owner.phone}" if path.endswith("/me") else path
        self.things.setdefault(name, ThingPromise(owner, path)).fields.update(fields)

    def amended(self, path: str, **fields: object) -> None:
        """The same, said to somebody else, about a thing whose owner we know."""
        if path in self.things:
            self.things[path].fields.update(fields)

    def asked_for_payout(self, owner: "Person", view: View) -> None:
        self.payouts[view["id"]] = owner

    def decided_payout(self, payout_id: str, status: str) -> None:
        """Of two admins one may hear late that it was approved what the other has paid already."""
        order = ("", "APPROVED", "PAID", "REJECTED")
        self.decisions[payout_id] = max(self.decisions.get(payout_id, ""), status, key=order.index)

    @property
    def count(self) -> int:
        things = sum(len(thing.fields) for thing in self.things.values())
        return len(self.bookings) + len(self.payments) + things + len(self.payouts) + len(self.decisions)


def booking_contradiction(promise: BookingPromise, shown: View | None, session_status: str, *, tried_to_pay: bool) -> str | None:
    """How what is shown of a booking contradicts what was promised; None where it does not."""
    if shown is None:
        return "was acknowledged and does not exist"
    if (shown["sessionId"], shown["seatsCount"], shown["totalAmount"]) != (promise.session_id, promise.seats, promise.total):
        return f"is another one: {shown}"
    status, reason = shown["status"], shown["endReason"]
    if status == "CANCELLED" and reason == "CALLED_OFF":
        may_be = session_status == "CANCELLED" and not promise.is_released and not promise.is_cancelled
    elif promise.is_released:
        may_be = (status, reason) == ("CANCELLED", "RELEASED_BY_CUSTOMER")
    elif promise.is_cancelled:
        may_be = status == "CANCELLED" and reason in ("CANCELLED_BY_CUSTOMER", "RELEASED_BY_CUSTOMER")
    elif promise.is_confirmed:
        may_be = status == "CONFIRMED"
    elif status == "EXPIRED":
        may_be = reason == "LAPSED" or (reason == "SALES_CLOSED" and session_status == "CLOSED")
    else:
        # Nothing was said after the hold: it may still be on, or the answer to a payment was never heard.
        may_be = status == "PENDING" or (status == "CONFIRMED" and tried_to_pay)
    if may_be:
        return None
    said = "released" if promise.is_released else "cancelled" if promise.is_cancelled else "confirmed" if promise.is_confirmed else "held"
    return f"was {said} and is shown as {status} ({reason}), its session as {session_status}"


def waits_for_payer(promise: PaymentPromise, shown: View) -> bool:
    """Whether nothing can become of a payment, because its payer has never been to the bank's page."""
    return shown["status"] == promise.status == "INITIATED" and shown["nextAction"] is not None and not promise.was_at_bank


def payment_contradiction(promise: PaymentPromise, shown: View | None, booking: BookingPromise, booking_shown: View) -> str | None:
    """How what is shown of a payment, after everything has settled, contradicts what was promised."""
    if shown is None:
        return "was acknowledged and does not exist"
    if waits_for_payer(promise, shown):
        return None
    status, settlement = shown["status"], shown["settlement"]
    may_become = {
        "SUCCESS": {"SUCCESS", "REFUNDED"},
        "REFUNDED": {"REFUNDED"},
        "FAILED": {"FAILED", "SUCCESS", "REFUNDED"} if promise.token == CAPTURED_LATER else {"FAILED"},
        "INITIATED": {"SUCCESS", "FAILED", "REFUNDED"},
    }[promise.status]
    if status not in may_become or promise.settlement not in (None, settlement):
        return f"was {promise.status} ({promise.settlement}) and is shown as {status} ({settlement})"
    return None if settlement is None else _refund_contradiction(promise, shown, booking, booking_shown)


def _refund_contradiction(promise: PaymentPromise, shown: View, booking: BookingPromise, booking_shown: View) -> str | None:
    back, owed = shown["refundedAmount"], _owed(promise, shown["settlement"], booking, booking_shown)
    if promise.token == REFUND_DECLINED and back == 0:
        back = sum(refund["amount"] for refund in shown["refunds"] if refund["status"] == "FAILED")
    if abs(back - owed) > LESS_THAN_ANY_COIN:
        return f"gave {back} back instead of {owed}: {shown}"
    return None


def _owed(promise: PaymentPromise, settlement: str, booking: BookingPromise, booking_shown: View) -> float:
    """What must have gone back of captured money."""
    if settlement == "MISMATCH":
        # This means of payment takes one minor unit less.
        return round(promise.total - 0.01, 2)
    if settlement != "KEPT" or booking_shown["endReason"] == "CALLED_OFF":
        return promise.total
    return booking.refund or 0.0


def oversold(promises: Sequence[BookingPromise], shown: Mapping[str, View], seats: Mapping[str, int]) -> list[str]:
    """Sessions of which more seats were confirmed than they have, counted by the answers alone."""
    sold: dict[str, int] = {}
    for promise in promises:
        view = shown.get(promise.id)
        if view is not None and view["status"] == "CONFIRMED":
            sold[promise.session_id] = sold.get(promise.session_id, 0) + promise.seats
    return [f"{session_id}: {count} of {seats[session_id]} seats sold" for session_id, count in sold.items() if count > seats[session_id]]
