"""Messages of gateways: verified, kept as they came, once for each of their ids, and then acted upon.

A genuine message is always answered with yes as soon as it is kept: what could not be done at once the worker does.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from holdfast.common.errors import Overloaded
from holdfast.common.wire import restored, stored
from holdfast.database import Database, retried
from holdfast.payments import repository
from holdfast.payments.disputes.service import Disputes, NotCapturedYet
from holdfast.payments.errors import GatewayUnknown
from holdfast.payments.gateway import (
    DisputeFact,
    Fact,
    GatewayDown,
    Gateways,
    Known,
    PaymentFact,
    PaymentNews,
    RefundFact,
    SignsByCertificate,
    Unknown,
    WebhookFact,
)
from holdfast.payments.models import WebhookId
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.refunds import Refunds
from holdfast.payments.states import PAYMENT, PaymentState

LEASE = timedelta(seconds=30)
AT_ONCE_MAX = 20
KEPT_FOR = timedelta(days=90)
"""Longer than any gateway sends a message again: after that nothing would recognise it."""

FORGOTTEN_AT_ONCE_MAX = 1_000

log = structlog.get_logger()

Facts = tuple[Fact, ...]


class Inbox:
    """Receives what gateways send."""

    def __init__(self, database: Database, gateways: Gateways, outcomes: Outcomes, refunds: Refunds, disputes: Disputes) -> None:
        self._database = database
        self._gateways = gateways
        self._outcomes = outcomes
        self._refunds = refunds
        self._disputes = disputes

    async def receive(self, gateway: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep a message and act upon it. Raises GatewayUnknown, ForgedWebhook, Overloaded (the gateway sends it again)."""
        if gateway not in self._gateways:
            raise GatewayUnknown
        sender = self._gateways[gateway]
        if isinstance(sender, SignsByCertificate):
            try:
                await sender.fetch_certificate(headers)
            except GatewayDown as error:
                log.warning("webhook_not_read", gateway=gateway, reason=str(error))
                raise Overloaded from error
        for message in sender.read_webhook(headers, body):
            webhook_id = WebhookId.new()
            if await self._keep(webhook_id, gateway, message, body):
                await self._try(webhook_id, gateway, _written(message.facts))

    async def apply_waiting(self) -> int:
        """Act upon messages that were kept and no more; returns how many it were."""
        async with self._database.transaction() as tx:
            waiting = await repository.claim_webhooks(tx, limit=AT_ONCE_MAX, lease=LEASE)
        for message in waiting:
            await self._try(message.id, message.gateway, message.facts)
        return len(waiting)

    async def forget_old(self) -> None:
        """Delete messages that were acted upon long ago, in slices, so that no transaction grows long. Others are kept."""
        deleted = FORGOTTEN_AT_ONCE_MAX
        while deleted >= FORGOTTEN_AT_ONCE_MAX:
            async with self._database.transaction() as tx:
                deleted = await repository.delete_old_webhooks(tx, limit=FORGOTTEN_AT_ONCE_MAX, age=KEPT_FOR)

    @retried
    async def _keep(self, webhook_id: WebhookId, gateway: str, message: WebhookFact, body: bytes) -> bool:
        async with self._database.transaction() as tx:
            return await repository.keep_webhook(tx, webhook_id, gateway, message.event_id, _written(message.facts), body, LEASE)

    async def _try(self, webhook_id: WebhookId, gateway: str, facts: str) -> None:
        try:
            for fact in _read(facts):
                await self._apply(gateway, fact)
            async with self._database.transaction() as tx:
                await repository.webhook_applied(tx, webhook_id)
        except (*repository.DATABASE_AWAY, GatewayDown) as error:
            log.warning("webhook_waits", webhook_id=str(webhook_id), reason=str(error))
        except NotCapturedYet:
            log.info("webhook_waits", webhook_id=str(webhook_id), reason="a dispute about money that has not arrived here")
        except Exception:
            # One message that trips us must not keep its neighbours waiting.
            log.exception("webhook_failed", webhook_id=str(webhook_id))

    async def _apply(self, gateway: str, fact: Fact) -> None:
        match fact:
            case PaymentFact():
                await self._outcomes.apply(fact.payment, fact.outcome)
            case RefundFact():
                await self._refunds.apply(fact.refund, fact.outcome)
            case DisputeFact():
                await self._disputes.apply(gateway, fact)
            case PaymentNews():
                await self._ask(fact)

    async def _ask(self, news: PaymentNews) -> None:
        """Ask the gateway what became of a payment. Raises GatewayDown where it does not know yet: the message waits."""
        async with self._database.reading() as tx:
            payment = await repository.get(tx, news.payment)
        if payment is None or payment.gateway not in self._gateways or not PAYMENT.allows(payment.status, PaymentState.SUCCESS):
            return
        known = Known(news.reference or payment.gateway_reference, is_given_up=payment.status is PaymentState.FAILED)
        outcome = await self._gateways[payment.gateway].find(payment.id, known)
        if isinstance(outcome, Unknown):
            raise GatewayDown(outcome.why)
        if outcome is not None:
            await self._outcomes.apply(payment.id, outcome)


def _written(facts: Sequence[Fact]) -> str:
    return stored(facts).decode()


def _read(facts: str) -> Facts:
    return restored(facts, Facts)
