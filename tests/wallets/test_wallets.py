"""Filling a wallet, paying out of it, and what comes back to it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.payments.market import Market, over_http
from tests.shop import FARE, FEE, fresh_key

from holdfast.app.check.examination import examine
from holdfast.bookings.errors import BookingConfirmedAlready, HoldExpired
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid
from holdfast.common.money import egp
from holdfast.common.paging import PageRequest
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother
from holdfast.ledger import FEES, REFUNDS_DUE, Account, Purpose
from holdfast.payments.errors import MethodNotTaken, PaymentRunning, WalletTooLow
from holdfast.payments.models import Destination, Method
from holdfast.payments.payable import PayableUnknown
from holdfast.payments.states import PaymentState
from holdfast.wallets.errors import TopUpFilledAlready, TopUpUnknown
from holdfast.wallets.models import TOP_UP_KIND

COSTS = FARE + FEE


async def _all_is_well(database_url: str) -> None:
    found = await examine(database_url, test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}


async def _has(market: Market, person: Actor) -> int:
    return (await market.wallets.service.read(person)).minor


async def test_a_wallet_is_filled_by_card_and_pays_for_a_booking(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    await market.fill(person, 30)
    booking = await market.shop.hold(person, session)
    answer = await market.pay_from_wallet(person, booking)
    assert (answer.payment.status, answer.payment.method, answer.payment.gateway) == (PaymentState.SUCCESS, Method.WALLET, "wallet")
    assert answer.standing is not None
    assert answer.standing.status == BookingState.CONFIRMED
    assert (await market.shop.booking(booking.id)).status is BookingState.CONFIRMED
    assert await _has(market, person) == 3000 - COSTS
    assert await market.has(Account.payee(session.driver_id)) == FARE
    assert await market.has(FEES) == FEE
    assert await market.has(Account.gateway("sandbox")) == -3000
    page = await market.wallets.service.list_entries(person, PageRequest())
    assert [(entry.purpose, entry.amount) for entry in page.rows] == [(Purpose.CAPTURE, -COSTS), (Purpose.CAPTURE, 3000)]
    await _all_is_well(database_url)


async def test_what_is_not_in_it_cannot_be_spent(market: Market, database_url: str) -> None:
    person = await market.shop.person()
    await market.fill(person, COSTS // 100 - 1)
    booking = await market.shop.hold(person, await market.shop.session())
    with pytest.raises(WalletTooLow, match=r"Your wallet has 10\.00 EGP, and this costs 11\.00 EGP"):
        await market.pay_from_wallet(person, booking)
    assert (await market.shop.booking(booking.id)).status is BookingState.PENDING
    await market.fill(person, 1)
    assert (await market.pay_from_wallet(person, booking)).payment.status is PaymentState.SUCCESS
    assert await _has(market, person) == 0
    await _all_is_well(database_url)


async def test_nobody_pays_for_what_is_not_theirs_or_not_there_to_be_paid(market: Market, move_time: Callable[[timedelta], None]) -> None:
    person, other = await market.shop.person(), await market.shop.person()
    await market.fill(person, 100)
    await market.fill(other, 100)
    session = await market.shop.session()
    booking, unpaid = await market.shop.hold(person, session), await market.shop.hold(person, session)
    with pytest.raises(PayableUnknown):
        await market.pay_from_wallet(other, booking)
    await market.pay_from_wallet(person, booking)
    with pytest.raises(BookingConfirmedAlready):
        await market.pay_from_wallet(person, booking)
    move_time(timedelta(minutes=6))
    with pytest.raises(HoldExpired):
        await market.pay_from_wallet(person, unpaid)
    assert await _has(market, person) == 10_000 - COSTS


async def test_while_a_card_is_asked_the_wallet_is_not(market: Market) -> None:
    person = await market.shop.person()
    await market.fill(person, 100)
    booking = await market.shop.hold(person, await market.shop.session())
    assert (await market.pay(person, booking, "tok_3ds")).payment.status is PaymentState.INITIATED
    with pytest.raises(PaymentRunning):
        await market.pay_from_wallet(person, booking)
    assert await _has(market, person) == 10_000


async def test_the_same_key_pays_once_and_is_answered_the_same(market: Market) -> None:
    person = await market.shop.person()
    await market.fill(person, 100)
    session = await market.shop.session()
    booking, another = await market.shop.hold(person, session), await market.shop.hold(person, session)
    key = fresh_key()
    answers = await asyncio.gather(*(market.pay_from_wallet(person, booking, IdempotencyKey(key.text, key.fingerprint)) for _ in range(8)))
    assert {answer.payment.id for answer in answers} == {answers[0].payment.id}
    assert await _has(market, person) == 10_000 - COSTS
    with pytest.raises(KeyUsedForAnother):
        await market.pay_from_wallet(person, another, IdempotencyKey(key.text, b"of another request"))


async def test_many_pay_in_few_commits(market: Market, database_url: str) -> None:
    session = await market.shop.session(seats=100)
    people = [await market.shop.person() for _ in range(60)]
    for person in people[:50]:
        await market.fill(person, 11)
    bookings = [await market.shop.hold(person, session) for person in people]
    async with market.database.reading() as tx:
        before = await tx.value(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"))
    paid = await asyncio.gather(
        *(market.pay_from_wallet(person, booking) for person, booking in zip(people, bookings, strict=True)), return_exceptions=True
    )
    async with market.database.reading() as tx:
        commits = await tx.value(text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")) - before
    assert [isinstance(answer, WalletTooLow) for answer in paid] == [False] * 50 + [True] * 10
    assert commits < 10, "sixty requests went through in a few sets"
    assert await market.has(Account.payee(session.driver_id)) == 50 * FARE
    await _all_is_well(database_url)


async def test_what_was_paid_from_a_wallet_is_back_in_it_with_the_cancellation(market: Market, database_url: str) -> None:
    session, person = await market.shop.session(), await market.shop.person()
    await market.fill(person, 50)
    booking = await market.shop.hold(person, session)
    await market.pay_from_wallet(person, booking)
    cancelled = await market.shop.bookings.service.cancel(person, None, booking.id)
    assert (cancelled.refund, cancelled.is_refunded) == (egp(FARE // 100), True)
    assert await _has(market, person) == 5000 - FEE
    assert await market.has(REFUNDS_DUE) == 0
    await _all_is_well(database_url)


async def test_what_was_paid_by_card_goes_to_the_wallet_if_one_wants_it_there(market: Market, database_url: str) -> None:
    person, booking = await market.sell(await market.shop.session())
    cancelled = await market.shop.bookings.service.cancel(person, None, booking.id, refund_to=Destination.WALLET)
    assert cancelled.is_refunded
    assert await _has(market, person) == FARE
    # The gateway keeps what it took: it is the wallet's now.
    assert await market.has(Account.gateway("sandbox")) == -COSTS
    assert await market.payments.refunds.do_due() == 0
    await _all_is_well(database_url)


async def test_a_session_that_is_called_off_gives_wallets_everything_back(market: Market, database_url: str) -> None:
    session = await market.shop.session(seats=20)
    people = [await market.shop.person() for _ in range(5)]
    for person in people:
        await market.fill(person, 20)
        await market.pay_from_wallet(person, await market.shop.hold(person, session))
    await market.shop.sessions.service.cancel(Actor(session.driver_id, Role.DRIVER), None, session.id, "engine")
    await market.shop.follow()
    assert [await _has(market, person) for person in people] == [2000] * 5
    await _all_is_well(database_url)


async def test_a_top_up_is_paid_for_once_and_never_out_of_a_wallet(market: Market, database_url: str) -> None:
    person, other = await market.shop.person(), await market.shop.person()
    await market.fill(person, 100)
    service, pay = market.wallets.service, market.payments.service.pay
    top_up = await service.open_top_up(person, fresh_key(), egp(20))
    with pytest.raises(MethodNotTaken):
        await pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.WALLET)
    with pytest.raises(PayableUnknown):
        await pay(other, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_success")
    declined = await pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_decline_insufficient_funds")
    assert declined.payment.status is PaymentState.FAILED
    assert (await service.read_top_up(person, top_up.id)).filled_at is None
    await pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_success")
    with pytest.raises(TopUpFilledAlready):
        await pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_success")
    assert (await service.read_top_up(person, top_up.id)).filled_at is not None
    with pytest.raises(TopUpUnknown):
        await service.read_top_up(other, top_up.id)
    assert await _has(market, person) == 12_000
    await _all_is_well(database_url)


@pytest.mark.parametrize("piastres", [0, -100, 10_000_001])
async def test_a_top_up_is_more_than_nothing_and_not_too_much(market: Market, piastres: int) -> None:
    with pytest.raises(Invalid):
        await market.wallets.service.open_top_up(await market.shop.person(), fresh_key(), egp(0, piastres))


async def test_over_http(market: Market) -> None:
    person = await market.shop.person()
    booking = await market.shop.hold(person, await market.shop.session())
    async with over_http(market) as client:
        headers = {"Authorization": f"Bearer {person.id}.{person.role.value}"}

        async def post(path: str, **body: object) -> dict[str, object]:
            answer = await client.post(path, json=body, headers={**headers, "Idempotency-Key": fresh_key().text})
            assert answer.status_code in (200, 201), answer.text
            found: dict[str, object] = answer.json()
            return found

        assert (await client.get("/wallet", headers=headers)).json() == {"balance": 0.0, "currency": "EGP"}
        top_up = await post("/wallet/top-ups", amount=25.5)
        assert (top_up["amount"], top_up["status"]) == (25.5, "UNPAID")
        filled = await post("/payments/pay", topUpId=top_up["topUpId"], method="CARD", token="tok_success")
        assert (filled["status"], filled["payableId"], filled["bookingId"], filled["booking"]) == ("SUCCESS", top_up["topUpId"], None, None)
        paid = await post("/payments/pay", bookingId=str(booking.id), method="wallet")
        assert (paid["status"], paid["bookingId"]) == ("SUCCESS", str(booking.id))
        entries = (await client.get("/wallet/entries", headers=headers)).json()["data"]
        assert [(entry["amount"], entry["paymentId"]) for entry in entries] == [(-11.0, paid["id"]), (25.5, filled["id"])]
        assert (await client.get("/wallet", headers=headers)).json() == {"balance": 14.5, "currency": "EGP"}
        back = await post(f"/bookings/{booking.id}/cancel")
        assert back["refundStatus"] == "done"
        assert (await client.get("/wallet", headers=headers)).json()["balance"] == 24.5
        refused = await client.post("/wallet/top-ups", json={"amount": 1.001}, headers={**headers, "Idempotency-Key": "k"})
        assert refused.status_code == 422
