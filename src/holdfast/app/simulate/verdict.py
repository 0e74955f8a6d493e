"""At the end: whether everything that was acknowledged stands, as the public interface shows it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from holdfast.app.simulate.acknowledged import (
    Acknowledged,
    PaymentPromise,
    booking_contradiction,
    oversold,
    payment_contradiction,
    waits_for_payer,
)
from holdfast.app.simulate.passengers import Passenger
from holdfast.app.simulate.person import GaveUp, Person, Refused

AT_ONCE = 40
SETTLED_WITHIN_S = 120.0
HEARD_WITHIN_S = 15.0
_MISSING = 404

K = TypeVar("K")
T = TypeVar("T")
View = Mapping[str, Any]


async def contradictions(acknowledged: Acknowledged, reader: Person) -> list[str]:
    """Everything acknowledged that is missing or shown otherwise; empty when all promises were kept. Waits until money has settled.

    ``reader``: anybody who is signed in, for what anybody may see.
    """
    await _resolve(acknowledged)
    payments = await _settled(acknowledged)
    bookings = await _all(acknowledged.bookings, lambda key: _read(acknowledged.bookings[key].owner, f"/bookings/{key}"))
    sessions = await _all({b.session_id for b in acknowledged.bookings.values()}, lambda key: _read(reader, f"/sessions/{key}"))
    paid_for = {payment.booking_id for payment in acknowledged.payments.values()}
    found: list[str] = []
    for booking in acknowledged.bookings.values():
        session = sessions[booking.session_id]
        if session is None:
            found.append(f"{booking.session_id}: seats of it were held, and it does not exist")
            continue
        fault = booking_contradiction(booking, bookings[booking.id], session["status"], tried_to_pay=booking.id in paid_for)
        if fault is not None:
            found.append(f"{booking.id}: {fault}")
    kept: dict[str, list[str]] = {}
    for payment in acknowledged.payments.values():
        booking, shown = acknowledged.bookings[payment.booking_id], bookings[payment.booking_id]
        fault = payment_contradiction(payment, payments[payment.id], booking, shown) if shown is not None else None
        if fault is not None:
            found.append(f"{payment.id} of {payment.booking_id}: {fault}")
        if (view := payments[payment.id]) is not None and view["settlement"] == "KEPT":
            kept.setdefault(payment.booking_id, []).append(payment.id)
    found += [f"{booking_id}: paid for by {', '.join(ids)}" for booking_id, ids in kept.items() if len(ids) > 1]
    found += [
        f"{booking_id}: CONFIRMED, and none of its payments was kept"
        for booking_id, shown in bookings.items()
        if shown is not None and shown["status"] == "CONFIRMED" and booking_id not in kept
    ]
    seats = {session_id: session["totalSeats"] for session_id, session in sessions.items() if session is not None}
    there = {key: shown for key, shown in bookings.items() if shown is not None}
    found += oversold([b for b in acknowledged.bookings.values() if b.session_id in seats], there, seats)
    return found + await _other_things(acknowledged)


async def _resolve(acknowledged: Acknowledged) -> None:
    """Ask once more, each with its own key, for what nobody knows the outcome of."""
    for unknown in list(acknowledged.unknown):
        person = unknown.owner
        try:
            answer = await person.ask(
                unknown.method, unknown.path, unknown.body, what=unknown.what, key=unknown.key, version=unknown.version
            )
        except Refused:
            continue
        except GaveUp:
            person.tally.fault(f"nobody can say what became of {unknown.method} {unknown.path}")
            continue
        acknowledged.learned(unknown, answer.json())
        person.tally.happened["found out in the end what had become of a request"] += 1


async def unheard(passengers: Iterable[Passenger]) -> list[str]:
    """Confirmations of which the sockets of those who listened all the time said nothing."""
    give_up_at = time.monotonic() + HEARD_WITHIN_S
    while True:
        missing = [f"{person.phone} heard nothing of {', '.join(sorted(person.unheard))}" for person in passengers if person.unheard]
        if not missing or time.monotonic() > give_up_at:
            return missing
        await asyncio.sleep(0.5)


async def _settled(acknowledged: Acknowledged) -> dict[str, View | None]:
    """Every payment as shown, once each is decided and its refunds are done, as far as that comes in time."""
    give_up_at = time.monotonic() + SETTLED_WITHIN_S
    shown: dict[str, View | None] = {}
    open_still = set(acknowledged.payments)
    while open_still:
        shown |= await _all(open_still, lambda key: _read(acknowledged.payments[key].owner, f"/payments/{key}"))
        open_still = {key for key in open_still if not _is_final(acknowledged.payments[key], shown[key])}
        if not open_still or time.monotonic() > give_up_at:
            break
        await asyncio.sleep(1.0)
    return shown


def _is_final(promise: PaymentPromise, shown: View | None) -> bool:
    if shown is None:
        return True
    if shown["status"] == "INITIATED":
        return waits_for_payer(promise, shown)
    return not any(refund["status"] == "REQUESTED" for refund in shown["refunds"])


async def _other_things(acknowledged: Acknowledged) -> list[str]:
    found: list[str] = []
    shown = await _all(acknowledged.things, lambda name: _read(acknowledged.things[name].owner, acknowledged.things[name].path))
    for name, view in shown.items():
        fields = acknowledged.things[name].fields
        wrong = {field: (view or {}).get(field) for field, value in fields.items() if (view or {}).get(field) != value}
        if wrong:
            found.append(f"{name}: {wrong} instead of { ({field: fields[field] for field in wrong}) }")
    payouts: dict[str, str] = {}
    for driver in set(acknowledged.payouts.values()):
        payouts |= await _payouts_of(driver)
    for payout_id in acknowledged.payouts:
        status, decided = payouts.get(payout_id), acknowledged.decisions.get(payout_id)
        if status is None or (decided is not None and status != decided):
            found.append(f"{payout_id}: {status} instead of {decided or 'PENDING'}")
    return found


async def _payouts_of(driver: Person) -> dict[str, str]:
    found: dict[str, str] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = await driver.get(f"/payouts/my?limit=100{f'&cursor={cursor}' if cursor else ''}", what="list")
        found |= {payout["id"]: payout["status"] for payout in page["data"]}
        cursor = page["pagination"]["nextCursor"]
    return found


async def _read(reader: Person, path: str) -> View | None:
    """What stands there; None where there is nothing."""
    try:
        found: View = await reader.get(path, what="compare")
    except Refused as refused:
        if refused.answer.status == _MISSING:
            return None
        raise
    return found


async def _all(keys: Iterable[K], read: Callable[[K], Awaitable[T]]) -> dict[K, T]:
    """Read many, a few at a time."""
    some_at_once = asyncio.Semaphore(AT_ONCE)

    async def one(key: K) -> tuple[K, T]:
        async with some_at_once:
            return key, await read(key)

    return dict(await asyncio.gather(*(one(key) for key in keys)))
