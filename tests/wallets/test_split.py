"""Paying with what the wallet has, and the rest by card."""

import asyncio

import pytest
from tests.payments.market import Market, over_http
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check.examination import examine
from holdfast.bookings.models import PAYABLE_KIND, HeldBooking
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.ledger import RESERVED, Account
from holdfast.payments.gateway import Captured, Declined
from holdfast.payments.models import Destination, Method
from holdfast.payments.settling import PaymentAnswer
from holdfast.payments.states import PaymentState, Settlement

SEATS = 3
COSTS = SEATS * FARE + FEE


async def _pay(market: Market, person: Actor, booking: HeldBooking, token: str = "tok_success") -> PaymentAnswer:
    return await market.payments.service.pay(person, fresh_key(), (PAYABLE_KIND, booking.id), Method.CARD, token, wallet_first=True)


async def _has(market: Market, person: Actor) -> int:
    return (await market.wallets.service.read(person)).minor


async def _all_is_well(market: Market, database_url: str) -> None:
    while await market.payments.refunds.do_due():
        pass
    found = await examine(database_url, gateways=[market.payments.gateways["sandbox"]], test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}
    assert await market.has(RESERVED) == 0


@pytest.mark.parametrize("pounds", [0, 5, COSTS // 100 - 1])
async def test_the_wallet_gives_what_it_has_and_the_card_the_rest(market: Market, database_url: str, pounds: int) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    if pounds:
        await market.fill(person, pounds)
    booking = await market.shop.hold(person, session, SEATS)
    payment = (await _pay(market, person, booking)).payment
    assert (payment.status, payment.method, payment.wallet_amount) == (PaymentState.SUCCESS, Method.CARD, pounds * 100)
    assert (await market.shop.booking(booking.id)).status is BookingState.CONFIRMED
    assert await _has(market, person) == 0
    assert await market.has(Account.gateway("sandbox")) == -COSTS
    assert await market.has(Account.payee(session.driver_id)) == SEATS * FARE
    await _all_is_well(market, database_url)


async def test_a_wallet_that_is_enough_pays_alone(market: Market, database_url: str) -> None:
    person = await market.shop.person()
    await market.fill(person, COSTS // 100)
    payment = (await _pay(market, person, await market.shop.hold(person, await market.shop.session(), SEATS))).payment
    assert (payment.method, payment.wallet_amount) == (Method.WALLET, 0)
    await _all_is_well(market, database_url)


async def test_what_was_set_aside_comes_back_when_the_card_says_no(market: Market, database_url: str) -> None:
    person = await market.shop.person()
    await market.fill(person, 10)
    booking = await market.shop.hold(person, await market.shop.session(), SEATS)
    declined = (await _pay(market, person, booking, "tok_decline_insufficient_funds")).payment
    assert declined.status is PaymentState.FAILED
    assert await _has(market, person) == 1000
    assert (await _pay(market, person, booking)).payment.status is PaymentState.SUCCESS
    assert await _has(market, person) == 0
    await _all_is_well(market, database_url)


async def test_while_the_card_is_asked_nobody_else_has_what_was_set_aside(market: Market, database_url: str) -> None:
    person = await market.shop.person()
    await market.fill(person, 10)
    session = await market.shop.session()
    first, second = await market.shop.hold(person, session, SEATS), await market.shop.hold(person, session, SEATS)
    waiting = (await _pay(market, person, first, "tok_3ds")).payment
    assert (waiting.status, waiting.wallet_amount) == (PaymentState.INITIATED, 1000)
    assert await _has(market, person) == 0
    assert await market.has(RESERVED) == 1000
    assert (await _pay(market, person, second)).payment.wallet_amount == 0
    found = await examine(database_url, test_clock=True)
    assert not [finding.name for finding in found.findings if not finding.holds]
    await market.payments.outcomes.apply(waiting.id, Declined("authentication_failed"))
    assert await _has(market, person) == 1000
    await _all_is_well(market, database_url)


async def test_money_that_comes_after_a_no_is_not_enough_any_more_and_goes_back(market: Market) -> None:
    person = await market.shop.person()
    await market.fill(person, 10)
    booking = await market.shop.hold(person, await market.shop.session(), SEATS)
    payment = (await _pay(market, person, booking, "tok_decline_insufficient_funds")).payment
    answer = await market.payments.outcomes.apply(payment.id, Captured(payment.charged, "after all"))
    assert answer is not None
    assert (answer.payment.settlement, answer.payment.captured) == (Settlement.MISMATCH, payment.charged)
    assert [(refund.total, refund.destination) for refund in answer.refunds] == [(payment.charged, Destination.SOURCE)]
    assert await _has(market, person) == 1000
    assert (await market.shop.booking(booking.id)).status is BookingState.PENDING


async def test_a_refund_goes_to_where_its_money_came_from(market: Market, database_url: str) -> None:
    """The card gave 21 of 31, the wallet 10: of the fare of 30 the card gets its 21 first, the wallet 9."""
    person = await market.shop.person()
    await market.fill(person, 10)
    booking = await market.shop.hold(person, await market.shop.session(), SEATS)
    payment = (await _pay(market, person, booking)).payment
    await market.shop.bookings.service.cancel(person, None, booking.id)
    refunds = (await market.payments.service.read(person, payment.id)).refunds
    assert {(refund.destination, refund.amount) for refund in refunds} == {(Destination.SOURCE, 2100), (Destination.WALLET, 900)}
    assert await _has(market, person) == 900
    await _all_is_well(market, database_url)


async def test_what_changes_save_and_what_is_called_off_comes_back_in_full(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    await market.fill(person, 25)
    booking = await market.shop.hold(person, session, SEATS)
    payment = (await _pay(market, person, booking)).payment
    # Ten pounds back: the card gave six.
    await market.shop.bookings.service.change(person, None, booking.id, SEATS - 1)
    assert await _has(market, person) == 400
    await market.shop.sessions.service.cancel(Actor(session.driver_id, Role.DRIVER), None, session.id, "engine")
    await market.shop.follow()
    assert await _has(market, person) == 2500
    await _all_is_well(market, database_url)
    assert (await market.payments.service.read(person, payment.id)).payment.status is PaymentState.REFUNDED


async def test_two_split_payments_at_once_set_the_same_money_aside_once(market: Market, other: Market, database_url: str) -> None:
    person = await market.shop.person()
    await market.fill(person, 10)
    bookings = [await market.shop.hold(person, await market.shop.session(), SEATS) for _ in range(2)]
    answers = await asyncio.gather(
        *(_pay(place, person, booking) for place, booking in zip((market, other), bookings, strict=True)), return_exceptions=True
    )
    paid = [answer.payment for answer in answers if isinstance(answer, PaymentAnswer)]
    assert sum(payment.wallet_amount for payment in paid) == 1000 - await _has(market, person)
    await _all_is_well(market, database_url)


async def test_over_http(market: Market) -> None:
    person = await market.shop.person()
    await market.fill(person, 4)
    booking = await market.shop.hold(person, await market.shop.session(), SEATS)
    async with over_http(market) as client:
        body = {"bookingId": str(booking.id), "method": "CARD", "token": "tok_success", "walletFirst": True}
        headers = {"Authorization": f"Bearer {person.id}.PASSENGER", "Idempotency-Key": "k"}
        paid = (await client.post("/payments/pay", json=body, headers=headers)).json()
    assert (paid["status"], paid["totalAmount"], paid["walletAmount"]) == ("SUCCESS", 31.0, 4.0)
