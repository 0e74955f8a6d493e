"""The plain flows of Stripe against localstripe, which others wrote: what we take for Stripe's shapes is not only our own idea of them."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.gateways.localstripe_process import localstripe
from tests.gateways.rig import Post
from tests.payments.till import until
from tests.servers import serving

from holdfast.common.money import Amount, egp
from holdfast.payments.gateway import Captured, Declined, Fact, PaymentFact, Pending, Refunded
from holdfast.payments.gateways.stripe import StripeGateway
from holdfast.payments.models import PaymentId, RefundId

SECRET_KEY, WEBHOOK_SECRET = "sk_test_of_localstripe", "whsec_of_localstripe"


class Local:
    """localstripe, our gateway before it, and what it sent."""

    def __init__(self, url: str, gateway: StripeGateway, post: Post) -> None:
        self.url = url
        self.gateway = gateway
        self.post = post

    async def card(self, number: str) -> str:
        """A payment method, as Stripe's own page makes it of a card."""
        card = {"type": "card", "card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2030", "card[cvc]": "123"}
        async with httpx.AsyncClient(trust_env=False) as page:
            made = await page.post(f"{self.url}/v1/payment_methods", data=card, headers={"Authorization": f"Bearer {SECRET_KEY}"})
        made.raise_for_status()
        return str(made.json()["id"])

    async def told(self, payment: PaymentId) -> Fact:
        """The fact that a message says about a payment, as soon as one does."""

        def facts() -> list[PaymentFact]:
            read = [
                fact for headers, body in self.post.messages for told in self.gateway.read_webhook(headers, body) for fact in told.facts
            ]
            return [fact for fact in read if isinstance(fact, PaymentFact) and fact.payment == payment]

        async def is_told() -> bool:
            return bool(facts())

        await until(is_told)
        return facts()[0]


@pytest.fixture
async def local() -> AsyncIterator[Local]:
    post = Post()
    async with serving(post) as post_url, localstripe() as url:
        async with httpx.AsyncClient(trust_env=False) as config:
            hook = {"url": post_url, "secret": WEBHOOK_SECRET}
            (await config.post(f"{url}/_config/webhooks/ours", data=hook)).raise_for_status()
        gateway = StripeGateway(SECRET_KEY, [WEBHOOK_SECRET], api_base=url)
        yield Local(url, gateway, post)
        await gateway.close()


async def test_a_charge_is_taken_found_and_told(local: Local) -> None:
    payment = PaymentId.new()
    outcome = await local.gateway.charge(payment, egp(31), "pm_card_visa", "https://holdfast.example/paid")
    assert isinstance(outcome, Captured)
    assert outcome.amount == egp(31)
    assert await local.gateway.find(payment) == outcome
    assert await local.gateway.find(PaymentId.new()) is None
    assert await local.told(payment) == PaymentFact(payment, outcome)


async def test_other_currencies_keep_their_units(local: Local) -> None:
    for amount in (Amount("JPY", 501), Amount("KWD", 1_230)):
        outcome = await local.gateway.charge(PaymentId.new(), amount, "pm_card_visa", None)
        assert isinstance(outcome, Captured)
        assert outcome.amount == amount


async def test_a_decline_is_declined_found_and_told(local: Local) -> None:
    payment = PaymentId.new()
    outcome = await local.gateway.charge(payment, egp(31), "pm_card_chargeCustomerFail", None)
    assert isinstance(outcome, Declined)
    assert outcome.reason == "card_declined"
    found = await local.gateway.find(payment)
    assert isinstance(found, Declined)
    assert found.reason == "card_declined"
    assert await local.told(payment) == PaymentFact(payment, found)


async def test_three_d_secure_waits_for_the_payer(local: Local) -> None:
    payment, card = PaymentId.new(), await local.card("4000000000003220")
    outcome = await local.gateway.charge(payment, egp(31), card, "https://holdfast.example/paid")
    # localstripe knows Stripe's JavaScript only, and no page to be sent to.
    assert isinstance(outcome, Pending)
    assert await local.gateway.find(payment) == outcome


async def test_refunds_in_parts_are_done_once_each(local: Local) -> None:
    payment, first, second = PaymentId.new(), RefundId.new(), RefundId.new()
    assert isinstance(await local.gateway.charge(payment, egp(31), "pm_card_visa", None), Captured)
    outcome = await local.gateway.refund(first, payment, egp(10))
    assert isinstance(outcome, Refunded)
    # localstripe knows no keys: that it is the same refund is because we look first.
    assert await local.gateway.refund(first, payment, egp(10)) == outcome
    again = await local.gateway.refund(second, payment, egp(21))
    assert isinstance(again, Refunded)
    assert again.reference != outcome.reference
