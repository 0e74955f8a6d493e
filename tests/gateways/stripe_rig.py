"""Stripe's gateway before the server of our own that speaks Stripe's shapes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import httpx
from tests.gateways.rig import Behaviour, Post, Rig
from tests.gateways.server import Control, Delivery, Mood, control
from tests.gateways.stripe_server import AMOUNT_MAX, StripeServer
from tests.payments.till import LATE_S, TIMEOUT_S
from tests.servers import serving

from holdfast.common.money import Amount
from holdfast.payments.gateway import Gateway
from holdfast.payments.gateways.stripe import StripeGateway

SECRET_KEY = "sk_test_of_nobody"
WEBHOOK_SECRET = "whsec_of_ours"
CHARGE, REFUND = "POST /v1/payment_intents", "POST /v1/refunds"

_CARDS = {
    Behaviour.DECLINED: "pm_card_visa_chargeDeclinedInsufficientFunds",
    Behaviour.THREE_D_SECURE: "pm_card_authenticationRequired",
    Behaviour.LATE: "pm_card_processing",
    Behaviour.LOST_WEBHOOK: "pm_card_processing",
    Behaviour.FORGED_WEBHOOK: "pm_card_visa_chargeDeclined",
    Behaviour.REFUND_FAILS: "pm_card_refundFailsAtOnce",
    Behaviour.REFUND_LATE: "pm_card_pendingRefund",
}
_MOODS = {
    Behaviour.TIMEOUT_DONE: (CHARGE, Mood.SILENT_DONE),
    Behaviour.TIMEOUT_NOT_DONE: (CHARGE, Mood.SILENT_NOT_DONE),
    Behaviour.ERROR_DONE: (CHARGE, Mood.ERROR_DONE),
    Behaviour.CUT_DONE: (CHARGE, Mood.CUT_DONE),
    Behaviour.NONSENSE_DONE: (CHARGE, Mood.NONSENSE_DONE),
    Behaviour.TOO_MANY: (CHARGE, Mood.TOO_MANY),
    Behaviour.REFUND_ERROR_DONE: (REFUND, Mood.ERROR_DONE),
    Behaviour.REFUND_TIMEOUT_DONE: (REFUND, Mood.SILENT_DONE),
    Behaviour.REFUND_TOO_MANY: (REFUND, Mood.TOO_MANY),
}
_DELIVERIES = {
    Behaviour.LOST_WEBHOOK: Delivery.NEVER,
    Behaviour.DOUBLE_WEBHOOK: Delivery.TWICE_AND_UNDER_ANOTHER_ID,
    Behaviour.FORGED_WEBHOOK: Delivery.AFTER_A_FORGED_ONE,
}


class StripeRig(Rig):
    """``url`` is the server's."""

    largest: ClassVar = Amount("EGP", AMOUNT_MAX)

    def __init__(self, gateway: Gateway, unreachable: Gateway, post: Post, url: str) -> None:
        super().__init__(gateway, unreachable, post)
        self.url = url

    async def prepare(self, behaviour: Behaviour) -> str:
        path, mood = _MOODS.get(behaviour, ("", None))
        await control(self.url, Control(mood=mood, path=path, delivery=_DELIVERIES.get(behaviour)))
        return _CARDS.get(behaviour, "pm_card_visa")

    async def approve(self, page: str) -> None:
        await self.decide(page, "approve")

    async def decide(self, page: str, decision: str) -> str:
        """Answer at the payer's bank; gives the address that the payer is sent to then."""
        async with httpx.AsyncClient(trust_env=False) as browser:
            answer = await browser.post(page, data={"decision": decision})
        assert answer.status_code == 303
        return answer.headers["location"]

    async def turn_clock(self, by: timedelta) -> None:
        await control(self.url, Control(clock_s=by.total_seconds()))

    async def happens(self, what: str, about: str) -> None:
        await control(self.url, Control(happens=what, about=about))


@asynccontextmanager
async def stripe_rig(_: Path) -> AsyncIterator[StripeRig]:
    post = Post()
    async with serving(post) as post_url:
        app = StripeServer(SECRET_KEY, [WEBHOOK_SECRET], f"{post_url}/", late_s=LATE_S, silence_s=TIMEOUT_S * 2)
        async with serving(app) as url:
            gateway = StripeGateway(SECRET_KEY, [WEBHOOK_SECRET], api_base=url, timeout_s=TIMEOUT_S)
            unreachable = StripeGateway(SECRET_KEY, [WEBHOOK_SECRET], api_base="http://127.0.0.1:1", timeout_s=TIMEOUT_S)
            yield StripeRig(gateway, unreachable, post, url)
            await gateway.close()
            await unreachable.close()
