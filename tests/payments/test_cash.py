"""Cash: promised by the passenger, taken by the driver when the passenger boards, and what he owes of it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.payments.market import Market, open_market, over_http
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check.examination import examine
from holdfast.bookings.errors import BookingPending, BookingUnknown, CheckedInAlready, HoldExpired
from holdfast.bookings.models import PAYABLE_KIND, Booking, HeldBooking
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.database import Database
from holdfast.ledger import FEES, Account
from holdfast.payments.errors import CashNotTaken, MethodNotTaken, PaymentRunning
from holdfast.payments.models import Method
from holdfast.payments.module import OWES_MAX
from holdfast.payments.settling import PaymentAnswer
from holdfast.payments.states import PaymentState
from holdfast.sessions.models import Session
from holdfast.wallets.models import TOP_UP_KIND

COSTS = FARE + FEE


@pytest.fixture
async def market(database: Database, tmp_path: Path) -> AsyncIterator[Market]:
    async with open_market(database, tmp_path) as opened:
        yield opened


async def _promise(market: Market, person: Actor, booking: HeldBooking) -> PaymentAnswer:
    return await market.payments.service.pay(person, fresh_key(), (PAYABLE_KIND, booking.id), Method.CASH)


async def _board(market: Market, session: Session, booking: HeldBooking, driver: Actor | None = None) -> Booking:
    driver = driver or Actor(session.driver_id, Role.DRIVER)
    return await market.shop.bookings.boarding.check_in(driver, fresh_key(), session.id, booking.id)


async def _all_is_well(database_url: str) -> None:
    found = await examine(database_url, test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}


async def test_the_driver_takes_the_cash_and_the_seat_is_sold(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    booking = await market.shop.hold(person, session)
    promised = (await _promise(market, person, booking)).payment
    assert (promised.status, promised.method, promised.next_action) == (PaymentState.INITIATED, Method.CASH, None)
    boarded = await _board(market, session, booking)
    assert boarded.status is BookingState.CONFIRMED
    assert boarded.checked_in_at is not None
    assert (await market.payments.service.read(person, promised.id)).payment.is_kept
    # He has his fare in his hands, and owes the fee.
    assert await market.has(Account.payee(session.driver_id)) == 0
    assert await market.has(Account.cash(session.driver_id)) == -FEE
    assert await market.has(FEES) == FEE
    with pytest.raises(CheckedInAlready):
        await _board(market, session, booking)
    with pytest.raises(CheckedInAlready):
        await market.cancel(person, booking)
    await _all_is_well(database_url)


async def test_who_paid_by_card_boards_too_and_only_for_the_driver_of_the_session(market: Market, database_url: str) -> None:
    session, other = await market.shop.session(), await market.shop.session()
    person, booking = await market.sell(session)
    for who, where in ((other, other), (other, session), (session, other)):
        with pytest.raises(BookingUnknown):
            await _board(market, where, booking, Actor(who.driver_id, Role.DRIVER))
    with pytest.raises(BookingUnknown):
        await _board(market, session, booking, person)
    assert (await _board(market, session, booking)).checked_in_at is not None
    assert await market.has(Account.cash(session.driver_id)) == 0
    await _all_is_well(database_url)


async def test_nobody_boards_who_has_neither_paid_nor_promised(market: Market) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    with pytest.raises(BookingPending):
        await _board(market, session, await market.shop.hold(person, session))


async def test_a_promise_ends_with_the_hold(market: Market, database_url: str, move_time: Callable[[timedelta], None]) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    booking = await market.shop.hold(person, session)
    promised = (await _promise(market, person, booking)).payment
    with pytest.raises(PaymentRunning):
        await market.pay(person, booking)
    move_time(timedelta(minutes=2))
    assert await market.payments.cash.give_up() == 1
    assert (await market.payments.service.read(person, promised.id)).payment.status is PaymentState.INITIATED
    move_time(timedelta(minutes=9))
    await market.shop.bookings.expiry.expire_some()
    with pytest.raises(HoldExpired):
        await _board(market, session, booking)
    assert await market.payments.cash.give_up() == 1
    assert (await market.payments.service.read(person, promised.id)).payment.status is PaymentState.FAILED
    assert await market.payments.cash.give_up() == 0
    await _all_is_well(database_url)


async def test_what_is_called_off_is_in_the_wallet_and_the_driver_owes_what_he_took(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    booking = await market.shop.hold(person, session)
    await _promise(market, person, booking)
    await _board(market, session, booking)
    await market.shop.sessions.service.cancel(Actor(session.driver_id, Role.DRIVER), None, session.id, "engine")
    await market.shop.follow()
    assert (await market.wallets.service.read(person)).minor == COSTS
    assert await market.has(Account.cash(session.driver_id)) == -COSTS
    assert await market.has(FEES) == 0
    await _all_is_well(database_url)


async def test_who_owes_too_much_takes_no_more_cash(market: Market, database_url: str) -> None:
    session = await market.shop.session(seats=120)
    for _ in range(OWES_MAX.minor // FEE):
        person = await market.shop.person()
        booking = await market.shop.hold(person, session)
        await _promise(market, person, booking)
        await _board(market, session, booking)
    assert await market.has(Account.cash(session.driver_id)) == -OWES_MAX.minor
    person = await market.shop.person()
    booking = await market.shop.hold(person, session)
    with pytest.raises(CashNotTaken):
        await _promise(market, person, booking)
    assert (await market.pay(person, booking)).payment.status is PaymentState.SUCCESS
    await _all_is_well(database_url)


async def test_a_wallet_is_not_filled_with_cash(market: Market) -> None:
    person = await market.shop.person()
    top_up = await market.wallets.service.open_top_up(person, fresh_key(), OWES_MAX)
    with pytest.raises(MethodNotTaken):
        await market.payments.service.pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CASH)


async def test_a_driver_who_taps_many_times_takes_the_cash_once(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    booking = await market.shop.hold(person, session)
    await _promise(market, person, booking)
    answers = await asyncio.gather(*(_board(market, session, booking) for _ in range(10)), return_exceptions=True)
    assert Counter(type(answer) for answer in answers) == {Booking: 1, CheckedInAlready: 9}
    assert await market.has(Account.cash(session.driver_id)) == -FEE
    await _all_is_well(database_url)


async def test_boarding_against_cancelling_leaves_one_of_them(market: Market, database_url: str) -> None:
    for _ in range(10):
        session = await market.shop.session()
        person, booking = await market.sell(session)
        answers = await asyncio.gather(_board(market, session, booking), market.cancel(person, booking), return_exceptions=True)
        found = await market.shop.booking(booking.id)
        assert (found.status is BookingState.CONFIRMED) == (found.checked_in_at is not None), answers
    await _all_is_well(database_url)


async def test_over_http(market: Market) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    booking = await market.shop.hold(person, session)
    async with over_http(market) as client:
        pays = {"Authorization": f"Bearer {person.id}.PASSENGER", "Idempotency-Key": "promise"}
        promised = (await client.post("/payments/pay", json={"bookingId": str(booking.id), "method": "CASH"}, headers=pays)).json()
        assert (promised["status"], promised["method"]) == ("INITIATED", "CASH")
        drives = {"Authorization": f"Bearer {session.driver_id}.DRIVER", "Idempotency-Key": "board"}
        body, path = {"bookingId": str(booking.id)}, f"/sessions/{session.id}/check-in"
        assert (await client.post(path, json=body, headers=pays)).status_code == 403
        answers = [await client.post(path, json=body, headers=drives) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert answers[0].json()["checkedInAt"] is not None
        assert (await client.post(path, json={"bookingId": "nonsense"}, headers={**drives, "Idempotency-Key": "x"})).status_code == 422
