"""What becomes of a hold: each way in which people pay, do not pay, change their minds or lose the network."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from holdfast.app.simulate.acknowledged import CAPTURED_LATER, REFUND_DECLINED, BookingPromise
from holdfast.app.simulate.person import Refused
from holdfast.app.simulate.plan import NEEDED
from holdfast.app.simulate.tally import Tally
from holdfast.app.simulate.wire import Unanswered, Wire

if TYPE_CHECKING:
    from holdfast.app.simulate.passengers import Passenger

View = dict[str, Any]
LEFT_TO_CHANCE = 0.5
DECIDED_WITHIN_S = 60.0
EXPIRED_WITHIN_S = 10.0
_ASK_EVERY_S = 0.7
_DECLINES = ("tok_decline_insufficient_funds", "tok_decline_expired_card", "tok_decline_limit_exceeded", "tok_forged_webhook")
_REFUND_TOKENS = (
    "tok_success",
    "tok_success",
    "tok_refund_pending",
    REFUND_DECLINED,
    "tok_refund_timeout_done",
    "tok_refund_error_500_done",
)


class TripFailed(Exception):
    """It did not come to what was planned: the session was called off, say, or closed."""


@dataclass(frozen=True)
class Trip:
    """One way to go on after a hold. ``make`` says whether it came to that; ``weight`` is how common it is."""

    name: str
    make: Callable[["Passenger", BookingPromise, View], Awaitable[bool]]
    weight: float = 1.0


class Deck:
    """Deals trips: the common ones often, and those that have not happened often enough first."""

    def __init__(self, tally: Tally, trips: tuple[Trip, ...]) -> None:
        self._tally = tally
        self._trips = trips
        self._weights = [trip.weight for trip in trips]

    def draw(self, rng: Random) -> Trip:
        common = rng.choices(self._trips, self._weights)[0]
        if rng.random() < LEFT_TO_CHANCE:
            return common
        rarest = min(self._trips, key=self._times)
        return rarest if self._times(rarest) < NEEDED * 2 else common

    def _times(self, trip: Trip) -> int:
        return self._tally.happened[trip.name] + self._tally.running[trip.name]


async def pay(person: "Passenger", booking: BookingPromise, token: str, *, what: str = "pay", hang_up: bool = False, key: str = "") -> View:
    """Try to pay. Raises Refused."""
    body = {"bookingId": booking.id, "method": "CARD", "token": token}
    view: View = await person.post("/payments/pay", body, what=what, key=key or person.new_key(), hang_up=hang_up)
    person.around.acknowledged.paid(person, view, token)
    return view


async def read_payment(person: "Passenger", payment_id: str, token: str) -> View:
    """How a payment stands now."""
    view: View = await person.get(f"/payments/{payment_id}", what="read payment")
    person.around.acknowledged.paid(person, view, token)
    return view


async def decided(person: "Passenger", payment: View, token: str, *, patience_s: float = DECIDED_WITHIN_S) -> View:
    """Ask for a payment until it is decided. Raises TripFailed where that takes too long."""
    give_up_at = time.monotonic() + patience_s
    while payment["status"] == "INITIATED":
        if time.monotonic() > give_up_at:
            raise TripFailed
        await asyncio.sleep(_ASK_EVERY_S)
        payment = await read_payment(person, payment["id"], token)
    return payment


def is_kept(payment: View) -> bool:
    return bool(payment["settlement"] == "KEPT")


async def sent_to_bank(person: "Passenger", booking: BookingPromise) -> View:
    """A payment that the bank wants to have confirmed on its page. Raises TripFailed where it does not come to that."""
    payment = await pay(person, booking, "tok_3ds")
    give_up_at = time.monotonic() + DECIDED_WITHIN_S
    while payment["nextAction"] is None:
        # The bank may have been slow to say where its page is.
        if payment["status"] != "INITIATED" or time.monotonic() > give_up_at:
            raise TripFailed
        await asyncio.sleep(_ASK_EVERY_S)
        payment = await read_payment(person, payment["id"], "tok_3ds")
    return payment


async def decide_at_bank(person: "Passenger", payment: View, decision: str) -> None:
    """Go to the bank's page, which is not ours, and say yes or no there. Raises TripFailed where it does not open."""
    url = urlsplit(payment["nextAction"]["url"])
    bank = Wire(f"{url.scheme}://{url.netloc}")
    try:
        for wait_s in (0.5, 1.0, 2.0, 4.0, 0.0):
            try:
                body = msgspec.json.encode({"decision": decision})
                answer = await bank.send("POST", url.path, {"content-type": "application/json"}, body)
            except Unanswered:
                await asyncio.sleep(wait_s)
                continue
            if answer.is_success:
                person.around.acknowledged.payments[payment["id"]].was_at_bank = True
                return
        raise TripFailed
    finally:
        await bank.close()


async def lapse(booking_view: View, more_s: float = 0.0) -> None:
    """Wait for the deadline of a hold."""
    await asyncio.sleep(max(seconds_until(booking_view["expiresAt"]), 0.0) + more_s)


def seconds_until(instant: str) -> float:
    """From now on, by this machine's clock."""
    return (datetime.fromisoformat(instant) - datetime.now(UTC)).total_seconds()


async def _pays(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    return is_kept(await decided(person, await pay(person, booking, "tok_success"), "tok_success"))


async def _is_declined_first(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    refused = await pay(person, booking, person.rng.choice(_DECLINES))
    await person.thinks(0.5, 2.0)
    return refused["status"] == "FAILED" and is_kept(await decided(person, await pay(person, booking, "tok_success"), "tok_success"))


async def _confirms_at_bank(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await sent_to_bank(person, booking)
    await person.thinks(0.5, 3.0)
    await decide_at_bank(person, payment, "approve")
    return is_kept(await decided(person, payment, "tok_3ds"))


async def _declines_at_bank(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await sent_to_bank(person, booking)
    await person.thinks(0.5, 2.0)
    await decide_at_bank(person, payment, "decline")
    failed = await decided(person, payment, "tok_3ds")
    await pay(person, booking, "tok_success")
    return bool(failed["status"] == "FAILED")


async def _never_goes_to_bank(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    await sent_to_bank(person, booking)
    return True


def _pays_with(token: str) -> Callable[["Passenger", BookingPromise, View], Awaitable[bool]]:
    async def make(person: "Passenger", booking: BookingPromise, _: View) -> bool:
        payment = await decided(person, await pay(person, booking, token, what="pay, bank troubled"), token)
        return payment["settlement"] is not None

    return make


async def _is_charged_after_a_decline(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await pay(person, booking, CAPTURED_LATER)
    for _try in range(20):
        if payment["settlement"] is not None:
            return True
        await asyncio.sleep(_ASK_EVERY_S)
        payment = await read_payment(person, payment["id"], CAPTURED_LATER)
    return False


async def _is_charged_twice(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    """Declined, pays again, and then the first charge lands after all: it must come back."""
    first = await pay(person, booking, CAPTURED_LATER)
    second = await decided(person, await pay(person, booking, "tok_success"), "tok_success")
    for _try in range(20):
        first = await read_payment(person, first["id"], CAPTURED_LATER)
        if first["settlement"] is not None:
            return {first["settlement"], second["settlement"]} == {"ALREADY_PAID", "KEPT"}
        await asyncio.sleep(_ASK_EVERY_S)
    return False


async def _is_charged_another_amount(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await decided(person, await pay(person, booking, "tok_wrong_amount"), "tok_wrong_amount")
    if person.happens(0.5):
        await pay(person, booking, "tok_success")
    return bool(payment["settlement"] == "MISMATCH")


async def _taps_twice(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    """Two payments of one booking at the same moment: one charge, whoever wins."""
    tries = await asyncio.gather(*(pay(person, booking, "tok_success") for _ in range(2)), return_exceptions=True)
    kept = [each for each in tries if isinstance(each, dict)]
    refused = [each for each in tries if isinstance(each, Refused)]
    for each in tries:
        if isinstance(each, BaseException) and not isinstance(each, Refused):
            raise each
    if len(kept) == len(tries) and all(is_kept(view) for view in kept):
        person.tally.fault(f"{booking.id} was paid for twice")
    return len(kept) == 1 and len(refused) == 1


async def _releases(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    lost = person.happens(0.2)
    view = await person.post(f"/bookings/{booking.id}/release", None, what="release", key=person.new_key(), hang_up=lost)
    person.around.acknowledged.released(view)
    return True


async def _lets_it_lapse(person: "Passenger", booking: BookingPromise, view: View) -> bool:
    await lapse(view)
    give_up_at = time.monotonic() + EXPIRED_WITHIN_S
    while True:
        shown = await person.get(f"/bookings/{booking.id}", what="read booking")
        if shown["status"] != "PENDING":
            return bool(shown["status"] == "EXPIRED")
        if time.monotonic() > give_up_at:
            person.tally.fault(f"{booking.id} is PENDING {EXPIRED_WITHIN_S:.0f} s after its deadline")
            return False
        await asyncio.sleep(0.5)


async def _pays_too_late(person: "Passenger", booking: BookingPromise, view: View) -> bool:
    await lapse(view, person.rng.uniform(0.0, 1.5))
    try:
        await pay(person, booking, "tok_success")
    except Refused as refused:
        return refused.code in ("hold_expired", "session_closed", "session_cancelled", "already_cancelled")
    person.tally.fault(f"{booking.id} was paid for after its hold had lapsed")
    return False


async def _money_comes_late(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    """Goes to the bank's page in time and says yes there only after the hold has lapsed."""
    payment = await sent_to_bank(person, booking)
    if payment["booking"]["expiresAt"] is None:
        return False
    await lapse(payment["booking"], person.rng.uniform(0.1, 2.0))
    await decide_at_bank(person, payment, "approve")
    late = await decided(person, payment, "tok_3ds")
    # Seated anew, or given back: both are right.
    person.tally.happened["late money: " + ("seated anew" if is_kept(late) else "given back")] += 1
    return late["settlement"] in ("KEPT", "TOO_LATE")


async def _cancels(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    token = person.rng.choice(_REFUND_TOKENS)
    payment = await decided(person, await pay(person, booking, token), token)
    if not is_kept(payment):
        return False
    await person.thinks(0.5, 3.0)
    return await _cancel(person, booking, hang_up=False)


async def _cancels_on_a_bad_line(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await decided(person, await pay(person, booking, "tok_success"), "tok_success")
    return is_kept(payment) and await _cancel(person, booking, hang_up=True)


async def _cancel(person: "Passenger", booking: BookingPromise, *, hang_up: bool) -> bool:
    try:
        view = await person.post(f"/bookings/{booking.id}/cancel", None, what="cancel", key=person.new_key(), hang_up=hang_up)
    except Refused as refused:
        if refused.code == "already_cancelled":
            return False
        raise
    person.around.acknowledged.cancelled(view)
    return True


async def _pays_on_a_bad_line(person: "Passenger", booking: BookingPromise, _: View) -> bool:
    payment = await decided(person, await pay(person, booking, "tok_success", what="pay, line lost", hang_up=True), "tok_success")
    return is_kept(payment)


async def _complains(person: "Passenger", booking: BookingPromise, view: View) -> bool:
    await _pays(person, booking, view)
    words = {"bookingId": booking.id, "message": "The driver left before the time he had said."}
    complaint = await person.post("/complaints", words, what="complain", key=person.new_key())
    person.around.acknowledged.stands(person, f"/complaints/{complaint['id']}", bookingId=booking.id, message=words["message"])
    return True


async def _reads_the_inbox(person: "Passenger", booking: BookingPromise, view: View) -> bool:
    await _pays(person, booking, view)
    await person.thinks(1.0, 2.0)
    await person.get("/bookings/history?limit=5", what="history")
    inbox = await person.get("/notifications?limit=5", what="inbox")
    for note in inbox["data"]:
        read = await person.post(f"/notifications/{note['id']}/read", None, what="mark read", key=person.new_key())
        if not read["isRead"]:
            person.tally.fault(f"{note['id']} is not read after it was marked so")
    return bool(inbox["data"])


async def _renews(person: "Passenger", booking: BookingPromise, view: View) -> bool:
    await person.renew()
    return await _pays(person, booking, view)


TRIPS = (
    Trip("paid", _pays, 30),
    Trip("was declined, then paid", _is_declined_first, 4),
    Trip("confirmed at the bank (3-D Secure)", _confirms_at_bank, 4),
    Trip("declined at the bank (3-D Secure)", _declines_at_bank),
    Trip("never went to the bank (3-D Secure)", _never_goes_to_bank),
    Trip("bank took it and did not answer", _pays_with("tok_timeout_done")),
    Trip("bank took it and answered with an error", _pays_with("tok_error_500_done")),
    Trip("bank told it later", _pays_with("tok_late_webhook"), 2),
    Trip("bank took it later and never told it", _pays_with("tok_lost_webhook")),
    Trip("bank told it three times", _pays_with("tok_double_webhook"), 2),
    Trip("bank told it before it answered", _pays_with("tok_webhook_first"), 2),
    Trip("was charged after a decline", _is_charged_after_a_decline),
    Trip("was charged twice, once too often", _is_charged_twice),
    Trip("was charged another amount", _is_charged_another_amount),
    Trip("paid twice at once", _taps_twice, 3),
    Trip("gave up and released", _releases, 6),
    Trip("let the hold lapse", _lets_it_lapse, 2),
    Trip("tried to pay after the hold had lapsed", _pays_too_late),
    Trip("paid in time, money came late", _money_comes_late, 2),
    Trip("cancelled", _cancels, 4),
    Trip("lost the answer to a cancellation", _cancels_on_a_bad_line),
    Trip("lost the answer to a payment", _pays_on_a_bad_line, 4),
    Trip("complained", _complains),
    Trip("read the inbox", _reads_the_inbox, 2),
    Trip("signed in anew in between", _renews),
)

HOLD_BOUND = frozenset({"let the hold lapse", "tried to pay after the hold had lapsed", "paid in time, money came late"})
"""Those that wait for a hold to lapse."""
