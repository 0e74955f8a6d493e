"""Paying through Stripe from end to end: our edge, our inbox, our worker, and the server that speaks Stripe's shapes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from tests.gateways.server import Control, Delivery, Mood, control
from tests.gateways.stripe_rig import CHARGE, REFUND, SECRET_KEY, WEBHOOK_SECRET
from tests.gateways.stripe_server import StripeServer
from tests.payments.till import LATE_S, SOLD, TIMEOUT_S, Till, open_till, until
from tests.servers import serving

from holdfast.common.actor import SYSTEM
from holdfast.common.money import egp
from holdfast.database import Database
from holdfast.payments import PaymentState, refunds
from holdfast.payments.gateway import Gateway
from holdfast.payments.gateways.stripe import StripeGateway
from holdfast.payments.models import PaymentId
from holdfast.payments.refunds import RefundRequest
from holdfast.payments.states import RefundReason, RefundState

VISA, ASKS_PAYER, DECLINED = "pm_card_visa", "pm_card_authenticationRequired", "pm_card_visa_chargeDeclinedInsufficientFunds"


@asynccontextmanager
async def stripe_side(_: Path, webhooks_url: str) -> AsyncIterator[tuple[Gateway, str]]:
    app = StripeServer(SECRET_KEY, [WEBHOOK_SECRET], f"{webhooks_url}/stripe", late_s=LATE_S, silence_s=TIMEOUT_S * 2)
    async with serving(app) as url:
        yield StripeGateway(SECRET_KEY, [WEBHOOK_SECRET], api_base=url, timeout_s=TIMEOUT_S), url


@pytest.fixture
async def till(database: Database, owner: Database, tmp_path: Path) -> AsyncIterator[Till]:
    async with open_till(database, owner, tmp_path, stripe_side) as opened:
        yield opened


async def becomes(till: Till, payment: PaymentId, state: PaymentState) -> None:
    async def is_so() -> bool:
        return (await till.payment(payment)).status is state

    await until(is_so)


async def test_a_payment_is_a_sale(till: Till) -> None:
    thing = await till.thing()
    answer = await till.pay(thing, VISA)
    assert answer.payment.status is PaymentState.SUCCESS
    assert answer.payment.gateway == "stripe"
    assert (await till.now(thing.id)).status == "SOLD"
    await till.check_books()


async def test_a_decline_leaves_the_thing_to_be_paid_for_with_another_card(till: Till) -> None:
    thing = await till.thing()
    declined = await till.pay(thing, DECLINED)
    assert (declined.payment.status, declined.payment.decline_reason) == (PaymentState.FAILED, "insufficient_funds")
    assert (await till.pay(thing, VISA)).payment.status is PaymentState.SUCCESS
    await till.check_books()


@pytest.mark.parametrize("mood", [Mood.SILENT_DONE, Mood.ERROR_DONE, Mood.CUT_DONE, Mood.NONSENSE_DONE])
async def test_money_that_was_taken_without_an_answer_is_found_by_the_worker_alone(till: Till, mood: Mood) -> None:
    await control(till.sandbox_url, Control(mood=mood, path=CHARGE, delivery=Delivery.NEVER))
    thing = await till.thing()
    answer = await till.pay(thing, VISA)
    assert answer.payment.status is PaymentState.INITIATED
    assert answer.payment.unknown_since is not None
    till.work()
    await becomes(till, answer.payment.id, PaymentState.SUCCESS)
    assert (await till.now(thing.id)).sold == 1
    await till.check_books()


async def test_three_d_secure_is_finished_by_the_message_alone(till: Till) -> None:
    till.payments.service._return_url = "https://holdfast.example/paid"
    answer = await till.pay(await till.thing(), ASKS_PAYER)
    assert answer.payment.next_action is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.post(answer.payment.next_action, data={"decision": "approve"})
    await becomes(till, answer.payment.id, PaymentState.SUCCESS)
    await till.check_books()


async def test_money_goes_back_once_although_the_answer_was_an_error(till: Till) -> None:
    thing = await till.thing()
    payment = (await till.pay(thing, VISA)).payment
    await control(till.sandbox_url, Control(mood=Mood.ERROR_DONE, path=REFUND, delivery=Delivery.NEVER))
    async with till.database.transaction() as tx:
        wanted = RefundRequest(SOLD, thing.id, egp(30), egp(0), RefundReason.CANCELLED_BY_CUSTOMER)
        await refunds.request(tx, SYSTEM, [wanted])
    till.work()

    async def is_paid_back() -> bool:
        return [refund.status for refund in await till.refunds(payment.id)] == [RefundState.SUCCESS]

    await until(is_paid_back)
    await till.check_books()


async def test_a_dispute_is_kept_and_disturbs_nothing(till: Till) -> None:
    thing = await till.thing()
    payment = (await till.pay(thing, VISA)).payment
    await control(till.sandbox_url, Control(happens="dispute needs_response", about=str(payment.id)))

    async def is_kept() -> bool:
        kept = "SELECT count(*) FROM gateway_webhooks WHERE facts::text LIKE '%DisputeFact%' AND applied_at IS NOT NULL"
        return bool(await till.value(kept))

    await until(is_kept)
    assert (await till.payment(payment.id)).status is PaymentState.SUCCESS
    assert (await till.payment(payment.id)).gateway_reference == await till.value(
        "SELECT facts->0->>'payment_reference' FROM gateway_webhooks WHERE facts::text LIKE '%DisputeFact%'"
    )
    await till.check_books()
