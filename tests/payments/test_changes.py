"""Fewer seats than were paid for: seats, books and refund agree, in one commit."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.payments.market import Market, open_market, over_http
from tests.payments.till import signed_in
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check import examine
from holdfast.bookings.errors import BookingCancelledAlready, BookingPending, BookingUnknown, ChangeCostsMore
from holdfast.bookings.models import Booking
from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import FEES, REFUNDS_DUE, Account
from holdfast.sessions.errors import SessionClosedAlready
from holdfast.sessions.states import SessionState


@pytest.fixture
async def market(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Market]:
    async with open_market(database, tmp_path) as opened:
        yield opened
    found = await examine(database_url, test_clock=True)
    assert found.broken == [], found.findings


async def test_seats_that_are_given_up_are_free_and_their_fare_goes_back(market: Market) -> None:
    session = await market.shop.session(3)
    passenger, held = await market.sell(session, 3)
    assert (await market.shop.look(session.id)).status is SessionState.FULL
    changed = await market.shop.bookings.service.change(passenger, fresh_key(), held.id, 1)
    assert (changed.booking.quantity, changed.booking.fare, changed.booking.service_fee) == (1, FARE, FEE)
    assert changed.refund == egp(20)
    assert changed.booking == await market.shop.booking(held.id)
    now = await market.shop.look(session.id)
    assert (now.status, now.available_seats) == (SessionState.ACTIVE, 2)
    assert await market.has(Account.payee(session.driver_id)) == FARE
    assert await market.has(REFUNDS_DUE) == 2 * FARE
    assert await market.has(FEES) == FEE
    await market.sell(session, 2)
    await market.shop.assert_counted()


async def test_the_same_key_changes_once(market: Market) -> None:
    session = await market.shop.session(5)
    passenger, held = await market.sell(session, 3)
    key = fresh_key()
    first = await market.shop.bookings.service.change(passenger, key, held.id, 2)
    again = await market.shop.bookings.service.change(passenger, IdempotencyKey(key.text, key.fingerprint), held.id, 2)
    assert first == again
    # Another key, the same wish: there is nothing left to change.
    assert (await market.shop.bookings.service.change(passenger, fresh_key(), held.id, 2)).refund == egp(0)
    assert await market.has(REFUNDS_DUE) == FARE


async def test_what_is_left_goes_back_when_it_is_cancelled(market: Market) -> None:
    session = await market.shop.session(5)
    passenger, held = await market.sell(session, 3)
    await market.shop.bookings.service.change(passenger, fresh_key(), held.id, 1)
    cancelled = await market.shop.bookings.service.cancel(passenger, None, held.id)
    assert cancelled.refund == egp(10)
    assert await market.has(Account.payee(session.driver_id)) == 0
    assert await market.has(REFUNDS_DUE) == 3 * FARE
    assert (await market.shop.look(session.id)).available_seats == 5


async def test_a_fare_that_its_customer_gave_up_stays(market: Market) -> None:
    session = await market.shop.session(5)
    passenger, held = await market.sell(session, 3)
    await market.shop.bookings.service.change(passenger, fresh_key(), held.id, 2)
    await market.shop.bookings.service.cancel(passenger, None, held.id, wants_refund=False)
    assert await market.has(Account.payee(session.driver_id)) == 2 * FARE


async def test_what_cannot_be_changed_says_why_and_stays(market: Market) -> None:
    service = market.shop.bookings.service
    session = await market.shop.session(5)
    passenger, held = await market.sell(session, 2)
    with pytest.raises(ChangeCostsMore) as costs_more:
        await service.change(passenger, fresh_key(), held.id, 3)
    assert costs_more.value.facts == {"more": "10.00 EGP"}
    with pytest.raises(BookingUnknown):
        await service.change(await market.shop.person(), fresh_key(), held.id, 1)
    unpaid = await market.shop.hold(passenger, session)
    with pytest.raises(BookingPending):
        await service.change(passenger, fresh_key(), unpaid.id, 1)
    await service.release(passenger, None, unpaid.id)
    with pytest.raises(BookingCancelledAlready):
        await service.change(passenger, fresh_key(), unpaid.id, 1)
    await market.close(session)
    with pytest.raises(SessionClosedAlready):
        await service.change(passenger, fresh_key(), held.id, 1)
    assert (await market.shop.booking(held.id)).quantity == 2
    assert await market.has(Account.payee(session.driver_id)) == 2 * FARE


async def test_changes_cancellations_and_departure_at_once_leave_the_books_right(market: Market) -> None:
    for _ in range(6):
        session = await market.shop.session(6)
        passenger, held = await market.sell(session, 3)
        service = market.shop.bookings.service
        results = await asyncio.gather(
            service.change(passenger, fresh_key(), held.id, 2),
            service.change(passenger, fresh_key(), held.id, 1),
            service.cancel(passenger, fresh_key(), held.id),
            market.shop.sessions.service.close(Actor(session.driver_id, Role.DRIVER), None, session.id),
            return_exceptions=True,
        )
        booking: Booking = await market.shop.booking(held.id)
        assert not isinstance(results[3], BaseException), results
        assert booking.quantity in (1, 2, 3)
        await market.shop.assert_counted()


async def test_over_http(market: Market) -> None:
    session = await market.shop.session(3)
    passenger, held = await market.sell(session, 2)
    async with over_http(market) as client:
        path = f"/bookings/{held.id}/change"
        answer = await client.post(path, json={"seatsCount": 1}, headers=signed_in(passenger))
        assert answer.status_code == 200, answer.text
        assert answer.json()["booking"]["seatsCount"] == 1
        assert b'"refundAmount":10.00' in answer.content
        assert answer.json()["refundStatus"] == "processing"
        refused = await client.post(path, json={"seatsCount": 2}, headers=signed_in(passenger))
        assert (refused.status_code, refused.json()["code"]) == (409, "change_costs_more")
        assert (await client.post(path, json={"seatsCount": 0}, headers=signed_in(passenger))).status_code == 422
