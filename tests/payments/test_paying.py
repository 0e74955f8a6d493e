"""Paying through the sandbox, over real HTTP."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from tests.payments.till import SOLD, ThingGone, Till, fresh_key, somebody, until

from holdfast.common.actor import Actor, Role
from holdfast.common.money import Amount, egp
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.payments import Method, PaymentState
from holdfast.payments.errors import MethodNotTaken, PaymentRunning, PaymentUnknown
from holdfast.payments.gateway import Declined
from holdfast.payments.models import PaymentId
from holdfast.payments.payable import PayableUnknown


async def test_money_that_is_taken_buys_the_thing(till: Till) -> None:
    thing = await till.thing()
    answer = await till.pay(thing, "tok_success")
    assert answer.payment.status is PaymentState.SUCCESS
    assert answer.standing is not None
    assert answer.standing.status == "SOLD"
    assert (await till.now(thing.id)).sold == 1
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("PAYEE", "EGP"): 3000, ("FEES", "EGP"): 100}
    assert await till.value("SELECT array_agg(name ORDER BY position) FROM events") == ["PaymentInitiated", "PaymentSucceeded"]
    assert await till.value("SELECT array_agg(action ORDER BY position) FROM audit_logs") == ["payment.initiated", "payment.captured"]
    await till.check_books()


@pytest.mark.parametrize(
    ("fare", "fee"), [(egp(30), egp(1)), (Amount("JPY", 500), Amount("JPY", 3)), (Amount("KWD", 1_234), Amount("KWD", 0))]
)
async def test_every_currency_keeps_its_minor_units(till: Till, fare: Amount, fee: Amount) -> None:
    answer = await till.pay(await till.thing(fare=fare, fee=fee), "tok_success")
    assert answer.payment.captured == fare + fee
    assert (await till.balances())[("PAYEE", fare.currency)] == fare.minor


@pytest.mark.parametrize("reason", ["insufficient_funds", "expired_card", "stolen_card"])
async def test_declined_leaves_the_thing_to_be_paid_again(till: Till, reason: str) -> None:
    thing = await till.thing()
    declined = await till.pay(thing, f"tok_decline_{reason}")
    assert (declined.payment.status, declined.payment.decline_reason) == (PaymentState.FAILED, reason)
    assert declined.standing is not None
    assert declined.standing.status == "OPEN"
    again = await till.pay(thing, "tok_success")
    assert again.payment.status is PaymentState.SUCCESS
    now = await till.now(thing.id)
    assert (now.sold, now.failed, now.extended) == (1, 1, 1)
    await till.check_books()


async def test_the_first_attempt_extends_the_hold_and_no_later_one(till: Till) -> None:
    thing = await till.thing()
    for _ in range(3):
        await till.pay(thing, "tok_decline_expired_card")
    assert (await till.now(thing.id)).extended == 1


async def test_a_wrong_token_is_declined(till: Till) -> None:
    answer = await till.pay(await till.thing(), "tok_of_somebody_else")
    assert answer.payment.decline_reason == "unknown_token"


@pytest.mark.parametrize(("decision", "becomes"), [("approve", PaymentState.SUCCESS), ("decline", PaymentState.FAILED)])
async def test_three_d_secure_waits_for_the_payer(till: Till, decision: str, becomes: PaymentState) -> None:
    thing = await till.thing()
    begun = await till.pay(thing, "tok_3ds")
    assert begun.payment.status is PaymentState.INITIATED
    assert begun.payment.unknown_since is None
    page = begun.payment.next_action
    assert page is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        shown = await browser.get(page)
        assert "31.00 EGP" in shown.text
        answered = await browser.post(page, data={"decision": decision})
        assert answered.status_code == 200
        # A second press of a button changes nothing.
        await browser.post(page, data={"decision": "approve" if decision == "decline" else "decline"})

    async def is_decided() -> bool:
        return (await till.payment(begun.payment.id)).status is becomes

    await until(is_decided)
    assert (await till.payment(begun.payment.id)).next_action is None
    assert (await till.now(thing.id)).sold == (becomes is PaymentState.SUCCESS)


async def test_while_one_attempt_runs_there_is_no_other(till: Till) -> None:
    thing = await till.thing()
    begun = await till.pay(thing, "tok_3ds")
    with pytest.raises(PaymentRunning) as refused:
        await till.pay(thing, "tok_success")
    assert refused.value.facts == {"payment_id": str(begun.payment.id), "next_action": begun.payment.next_action}


async def test_what_is_paid_is_not_paid_again(till: Till) -> None:
    thing = await till.thing()
    await till.pay(thing, "tok_success")
    with pytest.raises(ThingGone):
        await till.pay(thing, "tok_success")
    assert len(await till.attempts(thing)) == 1


async def test_only_the_payer_pays_and_looks(till: Till) -> None:
    thing = await till.thing()
    stranger = somebody()
    with pytest.raises(PayableUnknown):
        await till.payments.service.pay(stranger, fresh_key(), (SOLD, thing.id), Method.CARD, "tok_success")
    assert not await till.attempts(thing)
    paid = await till.pay(thing, "tok_success")
    for unknown, actor in ((paid.payment.id, stranger), (PaymentId.new(), stranger)):
        with pytest.raises(PaymentUnknown):
            await till.payments.service.read(actor, unknown)


async def test_an_admin_who_looks_is_audited(till: Till) -> None:
    paid = await till.pay(await till.thing(), "tok_success")
    admin = somebody(Role.ADMIN)
    await till.payments.service.read(admin, paid.payment.id)
    assert await till.value("SELECT actor_id FROM audit_logs WHERE action = 'payment.viewed'") == admin.id


@pytest.mark.parametrize("method", [Method.PAYPAL])
async def test_methods_that_nobody_takes_are_refused(till: Till, method: Method) -> None:
    thing = await till.thing()
    with pytest.raises(MethodNotTaken) as refused:
        await till.payments.service.pay(Actor(thing.payer_id, Role.PASSENGER), fresh_key(), (SOLD, thing.id), method, "tok_success")
    assert "CARD, MOBILE_WALLET" in refused.value.message


async def test_a_lapsed_hold_cannot_be_paid(till: Till, move_time: Callable[[timedelta], None]) -> None:
    thing = await till.thing()
    move_time(timedelta(minutes=6))
    with pytest.raises(ThingGone):
        await till.pay(thing, "tok_success")


@pytest.mark.parametrize("token", ["tok_success", "tok_decline_do_not_honor"])
async def test_the_same_key_answers_the_same(till: Till, token: str) -> None:
    thing, key = await till.thing(), fresh_key()
    first = await till.pay(thing, token, key)
    again = IdempotencyKey(key.text, key.fingerprint)
    assert await till.pay(thing, token, again) == first
    assert again.replayed
    assert not key.replayed
    assert len(await till.attempts(thing)) == 1


async def test_the_answer_of_a_key_is_stable_even_when_more_happens(till: Till) -> None:
    """A payment that failed and was captured after all: the key still tells what its request was told."""
    thing, key = await till.thing(), fresh_key()
    first = await till.pay(thing, "tok_late_capture", key)
    assert first.payment.status is PaymentState.FAILED

    async def is_captured() -> bool:
        return (await till.payment(first.payment.id)).status is PaymentState.SUCCESS

    await until(is_captured)
    assert await till.pay(thing, "tok_late_capture", IdempotencyKey(key.text, key.fingerprint)) == first


async def test_the_same_key_with_another_body_is_refused(till: Till) -> None:
    thing, key = await till.thing(), fresh_key()
    await till.pay(thing, "tok_success", key)
    with pytest.raises(KeyUsedForAnother):
        await till.pay(thing, "tok_success", IdempotencyKey(key.text, b"another body"))


async def test_a_refusal_is_judged_anew(till: Till) -> None:
    """The key of a request that was refused is free again."""
    first, second, key = await till.thing(), await till.thing(), fresh_key()
    running = await till.pay(first, "tok_3ds")
    with pytest.raises(PaymentRunning):
        await till.pay(first, "tok_success", key)
    assert running.payment.next_action is not None
    answer = await till.pay(second, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert answer.payment.status is PaymentState.SUCCESS


async def test_fifty_requests_with_one_key_are_one_payment(till: Till) -> None:
    thing, text = await till.thing(), fresh_key().text

    async def press() -> object:
        try:
            return await till.pay(thing, "tok_success", IdempotencyKey(text, b"fingerprint"))
        except StillRunning:
            return None

    answers = await asyncio.gather(*(press() for _ in range(50)))
    told = [answer for answer in answers if answer is not None]
    assert told
    assert all(answer == told[0] for answer in told)
    assert len(await till.attempts(thing)) == 1
    assert len([item async for item in till.gateway.list_settled((await till.payment((await till.attempts(thing))[0].id)).created_at)]) == 1
    await till.check_books()


async def test_what_is_kept_for_ever_has_no_words_of_the_gateway(till: Till) -> None:
    """Its own text may say anything, also about the payer: only the payment shows it."""
    payment = (await till.pay(await till.thing(), "tok_3ds")).payment
    await till.outcomes.apply(payment.id, Declined("Card of Mona Adel, 01001234567"))
    assert (await till.payment(payment.id)).decline_reason == "Card of Mona Adel, 01001234567"
    assert await till.value("SELECT body->>'reason' FROM events WHERE name = 'PaymentFailed'") == "OTHER"
    assert not await till.value("SELECT count(*) FROM events WHERE body::text LIKE '%Mona%'")
    assert not await till.value("SELECT count(*) FROM audit_logs WHERE audit_logs::text LIKE '%Mona%'")
