"""Faults of gateways, named after the rows of docs/explain/gateway-faults.md; that page says where the others are tried."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from tests.payments import guards
from tests.payments.test_crashes import die, money_at_the_gateway
from tests.payments.test_refunds import bought, give_back
from tests.payments.test_webhooks import insist, kept, told, undecided
from tests.payments.till import SOLD, Till, fresh_key, signed_in, until
from tests.races import guarded_and, race

from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import Method, PaymentState
from holdfast.payments.gateway import NOTHING_KNOWN, Known, Outcome
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import PaymentId
from holdfast.payments.states import Settlement

assert guards

Moves = Callable[[timedelta], None]


class Calls:
    """What a gateway is asked, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        charge, find = SandboxGateway.charge, SandboxGateway.find

        async def charged(gateway: SandboxGateway, payment: PaymentId, *asked: Any) -> Outcome:
            self.names.append("charge")
            return await charge(gateway, payment, *asked)

        async def found(gateway: SandboxGateway, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
            self.names.append("find")
            return await find(gateway, payment, known)

        monkeypatch.setattr(SandboxGateway, "charge", charged)
        monkeypatch.setattr(SandboxGateway, "find", found)


async def test_f04_a_500_that_is_replayed_for_a_day_is_not_asked_for_by_its_key(
    till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sandbox answers 500 whenever this charge is repeated, and has done it: only looking it up gets on."""
    calls, thing, key = Calls(monkeypatch), await till.thing(), fresh_key()
    first = await till.pay(thing, "tok_error_500_done", key)
    assert first.payment.status is PaymentState.INITIATED
    for _ in range(3):
        move_time(timedelta(hours=8))
        again = await till.pay(thing, "tok_error_500_done", IdempotencyKey(key.text, key.fingerprint))
        assert (again.payment.id, again.payment.status) == (first.payment.id, PaymentState.SUCCESS)
    assert calls.names == ["charge", "find"]
    assert await money_at_the_gateway(till) == [3100]
    await till.check_books()


@pytest.mark.parametrize("token", ["tok_timeout_done", "tok_timeout_not_done"])
async def test_f05_after_25_hours_it_is_looked_up_before_anything_is_sent_again(
    till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """The gateway may have forgotten the key by then: sent blindly, it would take the money twice."""
    thing, key = await till.thing(), fresh_key()
    first = await till.pay(thing, token, key)
    calls = Calls(monkeypatch)
    move_time(timedelta(hours=25))
    again = await till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert again.payment.id == first.payment.id
    assert calls.names == (["find"] if token == "tok_timeout_done" else ["find", "charge"])
    assert await money_at_the_gateway(till) == [3100]
    await till.check_books()


async def test_f06_fifty_copies_of_a_message_at_once_have_one_effect(till: Till) -> None:
    payment = await undecided(till)
    assert set(await asyncio.gather(*(insist(till, told(payment)) for _ in range(50)))) == {204}
    assert await kept(till) == 1
    assert await till.value("SELECT sold FROM things") == 1
    assert await till.value("SELECT count(*) FROM ledger_transactions") == 1
    await till.check_books()


async def test_f07_the_same_fact_under_other_ids_and_from_other_sides_has_one_effect(till: Till) -> None:
    thing = await till.thing()
    payment = (await till.pay(thing, "tok_error_500_done")).payment
    till.work()
    await asyncio.gather(*(insist(till, told(payment), event_id=f"msg_{number}") for number in range(10)))
    assert await kept(till) == 10
    assert (await till.now(thing.id)).sold == 1
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1
    await till.check_books()


async def test_f08_a_message_before_the_answer_finds_its_payment(till: Till) -> None:
    """Our row is committed before the gateway is called, so there is no message about a payment that nobody can see yet."""
    thing = await till.thing()
    paid = await till.pay(thing, "tok_webhook_first")
    assert paid.payment.is_kept
    assert await till.value("SELECT received_at > (SELECT created_at FROM payments) FROM gateway_webhooks")
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1


async def test_f10_without_any_message_all_money_finds_its_end(till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch) -> None:
    """I6 with all webhooks lost: what the gateway took bought something or goes back, once the worker has asked."""

    async def lost(*_: object) -> None:
        return None

    monkeypatch.setattr(till.payments.inbox, "receive", lost)
    tokens = ["tok_success", "tok_lost_webhook", "tok_late_webhook", "tok_error_500_done", "tok_double_webhook", "tok_wrong_amount"]
    payments = [(await till.pay(await till.thing(), token)).payment for token in tokens]
    till.work()

    async def is_over() -> bool:
        move_time(timedelta(seconds=2))
        return not await till.value("SELECT count(*) FROM payments WHERE status = 'INITIATED'") and not await till.value(
            "SELECT count(*) FROM refunds WHERE status = 'REQUESTED'"
        )

    await until(is_over, within_s=30)
    assert await kept(till) == 0
    ends = [(await till.payment(payment.id)).status for payment in payments]
    assert ends == [PaymentState.SUCCESS] * 5 + [PaymentState.REFUNDED]
    taken = await money_at_the_gateway(till)
    assert sorted(taken) == [3099, 3099, *[3100] * 5]
    await till.check_books()


@guarded_and("payments.without_refund_lock")
async def test_f13_twenty_sides_give_back_once_though_a_process_is_killed(till: Till, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        thing, payment = await bought(till, "tok_refund_error_500_done")
        (refund,) = await give_back(till, [thing], egp(30), egp(1))
        if guard is None:
            await die(till, "after the refund call", thing, fresh_key())
        found = await till.gateway.refund(refund.id, payment.id, refund.total)
        await asyncio.gather(*(till.payments.refunds.apply(refund.id, found) for _ in range(20)), return_exceptions=True)
        now = await till.payment(payment.id)
        given_back = [minor for minor in await money_at_the_gateway(till) if minor == 3100]
        events = await till.value("SELECT count(*) FROM events WHERE name = 'PaymentRefunded' AND subject_id = :id", id=payment.id)
        is_right = (now.status, now.refunded_amount, events) == (PaymentState.REFUNDED, 3100, 1)
        return "" if is_right else f"{now.status} {now.refunded_amount} told {events} times, {len(given_back)} movements"

    await race(once, guard, owner_url)


@pytest.mark.parametrize(("changed", "currency"), [({"taken": 1}, "EGP"), ({"taken": 310_000}, "EGP"), ({"currency": "USD"}, "USD")])
async def test_f20_an_amount_that_was_tampered_with_buys_nothing(till: Till, changed: dict[str, Any], currency: str) -> None:
    payment = await undecided(till)
    assert await insist(till, told(payment, **changed)) == 204
    now = await till.payment(payment.id)
    assert (now.settlement, now.captured_currency) == (Settlement.MISMATCH, currency)
    assert (await till.now(now.payable_id)).sold == 0
    (refund,) = await till.refunds(payment.id)
    assert refund.total == now.captured
    await till.check_books()


async def test_f20_a_payer_cannot_say_how_much(till: Till) -> None:
    thing = await till.thing()
    payer = Actor(thing.payer_id, Role.PASSENGER)
    body = {"method": "CARD", "token": "tok_success", "bookingId": str(thing.id)}
    for tampered in ({"amount": 0.01}, {"totalAmount": 0.01}, {"currency": "JPY"}, {"fareAmount": 0}):
        answer = await till.client.post("/payments/pay", json=body | tampered, headers=signed_in(payer))
        assert answer.status_code == 422
    assert await till.attempts(thing) == ()
    paid = await till.payments.service.pay(payer, fresh_key(), (SOLD, UUID(int=thing.id.int)), Method.CARD, "tok_success")
    assert paid.payment.captured == egp(31)
