"""Who moves the money: the protocol between ``payments`` and each gateway.

Only ``payments/gateways/*`` know a vendor. A gateway is never called inside a transaction.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.payments.models import Method, PaymentId, RefundId


class Captured(Struct, frozen=True, tag=True):
    """The gateway has the money: the only final word about a charge. ``amount`` is what it took."""

    amount: Amount
    reference: str


class Pending(Struct, frozen=True, tag=True):
    """Not decided yet. ``next_action`` is where the payer goes to decide it (3-D Secure), None where there is only to wait."""

    reference: str | None = None
    next_action: str | None = None


class DeclineReason(StrEnum):
    """Why a gateway said no, in our words: the event log and the audit log keep these for ever, and never a vendor's own text."""

    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    CARD_EXPIRED = "CARD_EXPIRED"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    DECLINED_BY_ISSUER = "DECLINED_BY_ISSUER"
    NOT_RECEIVED = "NOT_RECEIVED"
    NOT_REFUNDABLE = "NOT_REFUNDABLE"
    CURRENCY_NOT_TAKEN = "CURRENCY_NOT_TAKEN"
    OTHER = "OTHER"

    @classmethod
    def of(cls, word: str | None) -> "DeclineReason":
        """What a gateway's word comes down to; OTHER for words that are not known here."""
        return _DECLINE_REASONS.get(word or "", cls.OTHER)


_DECLINE_REASONS = {
    "insufficient_funds": DeclineReason.INSUFFICIENT_FUNDS,
    "expired_card": DeclineReason.CARD_EXPIRED,
    "expired_or_canceled_card": DeclineReason.CARD_EXPIRED,
    "authentication_failed": DeclineReason.AUTHENTICATION_FAILED,
    "authentication_expired": DeclineReason.AUTHENTICATION_FAILED,
    "authentication_required": DeclineReason.AUTHENTICATION_FAILED,
    "payment_intent_authentication_failure": DeclineReason.AUTHENTICATION_FAILED,
    "abandoned": DeclineReason.AUTHENTICATION_FAILED,
    "stolen_card": DeclineReason.SUSPECTED_FRAUD,
    "lost_card": DeclineReason.SUSPECTED_FRAUD,
    "lost_or_stolen_card": DeclineReason.SUSPECTED_FRAUD,
    "pickup_card": DeclineReason.SUSPECTED_FRAUD,
    "fraudulent": DeclineReason.SUSPECTED_FRAUD,
    "suspected_fraud": DeclineReason.SUSPECTED_FRAUD,
    "limit_exceeded": DeclineReason.LIMIT_EXCEEDED,
    "card_velocity_exceeded": DeclineReason.LIMIT_EXCEEDED,
    "withdrawal_count_limit_exceeded": DeclineReason.LIMIT_EXCEEDED,
    "do_not_honor": DeclineReason.DECLINED_BY_ISSUER,
    "card_declined": DeclineReason.DECLINED_BY_ISSUER,
    "generic_decline": DeclineReason.DECLINED_BY_ISSUER,
    "call_issuer": DeclineReason.DECLINED_BY_ISSUER,
    "card_not_supported": DeclineReason.DECLINED_BY_ISSUER,
    "transaction_not_allowed": DeclineReason.DECLINED_BY_ISSUER,
    "not_received": DeclineReason.NOT_RECEIVED,
    "not_refundable": DeclineReason.NOT_REFUNDABLE,
    "refund_not_possible": DeclineReason.NOT_REFUNDABLE,
    "currency_not_taken": DeclineReason.CURRENCY_NOT_TAKEN,
}


class Declined(Struct, frozen=True, tag=True):
    """No. ``reason`` is a word of the gateway's to be shown to the payer."""

    reason: str
    reference: str | None = None


class Unknown(Struct, frozen=True, tag=True):
    """Nobody knows: a timeout, a broken connection, an answer that makes no sense. Never taken for a no."""

    why: str


class Refunded(Struct, frozen=True, tag=True):
    """The gateway gave the money back."""

    reference: str


Outcome = Captured | Pending | Declined | Unknown
RefundOutcome = Refunded | Pending | Declined | Unknown


class ForgedWebhook(Refusal):
    """The signature of this message is not the gateway's, or it is too old. Nothing was kept of it."""

    code = "forged_webhook"
    status = 401


class PaymentFact(Struct, frozen=True, tag=True):
    """What a message says about a payment of ours."""

    payment: PaymentId
    outcome: Outcome


class RefundFact(Struct, frozen=True, tag=True):
    """What a message says about a refund of ours."""

    refund: RefundId
    outcome: RefundOutcome


class DisputeStatus(StrEnum):
    """How a dispute stands: money may be taken from us, it stays with us, it is lost."""

    OPENED = "OPENED"
    WON = "WON"
    LOST = "LOST"


class DisputeFact(Struct, frozen=True, tag=True):
    """What a message says about a payment that its payer disputes at their bank.

    ``payment`` is None where the gateway names the payment by its own reference only, that of Captured. ``reason`` is the gateway's word.
    """

    payment: PaymentId | None
    payment_reference: str
    dispute_id: str
    amount: Amount
    status: DisputeStatus
    reason: str


class PaymentNews(Struct, frozen=True, tag=True):
    """Something happened to a payment of ours, and what, only asking tells: the message does not prove it, or we have to act first.

    ``reference`` is what the gateway calls it in this message, where it is to be asked for under that.
    """

    payment: PaymentId
    reference: str | None = None


Fact = PaymentFact | RefundFact | DisputeFact | PaymentNews


class WebhookFact(Struct, frozen=True):
    """One message: its id at the gateway, and what it says. A message about something that is not ours says nothing."""

    event_id: str
    facts: tuple[Fact, ...] = ()


class Known(Struct, frozen=True):
    """What our books know of a charge when its gateway is asked about it: not every gateway can be asked by our id alone.

    ``reference`` is what the gateway calls it, None where it never told us. ``refunded`` is what it gave back of it already, in
    minor units; None while an earlier refund of it is undecided. ``is_given_up``: the payment has failed here, so that what was
    taken still counts and nothing more is to be taken.
    """

    reference: str | None = None
    refunded: int | None = 0
    is_given_up: bool = False


NOTHING_KNOWN = Known()


class SettledKind(StrEnum):
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"


class SettledItem(Struct, frozen=True):
    """A movement of money at the gateway, under our id of it (a payment's or a refund's)."""

    kind: SettledKind
    id: PaymentId | RefundId
    payment: PaymentId
    amount: Amount
    reference: str
    at: datetime


class Gateway(Protocol):
    """A payment gateway. Every method but ``read_webhook`` talks to the network and never raises for what the network does."""

    name: str
    supports: frozenset[Method]

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        """Take money. Our id is the idempotency key: repeating it never takes twice.

        ``source`` is the token of a means of payment, from the gateway's own page or library. ``return_url`` is where the
        payer comes back to after 3-D Secure. ``authenticate`` demands 3-D Secure where the gateway would do without.
        """
        ...

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        """Give money of a payment back. Our id is the idempotency key: repeating it is how one asks what became of it."""
        ...

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        """What became of a charge, by our id; None where the gateway never heard of it."""
        ...

    def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        """Every movement from a time on, in order. Raises GatewayDown where it cannot be told."""
        ...

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        """Verify a message and read it. Header names are lower case; ``:path``, as in HTTP/2, is where it was sent, with its query.

        Raises ForgedWebhook.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


@runtime_checkable
class SignsByCertificate(Protocol):
    """A gateway that signs its messages with a key whose certificate has to be fetched before one can be read."""

    async def fetch_certificate(self, headers: Mapping[str, str]) -> None:
        """Have at hand what ``read_webhook`` needs for this message. Raises ForgedWebhook, and GatewayDown where it cannot be had now."""
        ...


class GatewayDown(Exception):
    """The gateway did not answer a question that only it can answer."""


class Gateways:
    """Every gateway that is wired, by name. Of several that take a method the first one that can is asked (``availability``)."""

    def __init__(self, *gateways: Gateway) -> None:
        self._by_name = {gateway.name: gateway for gateway in gateways}

    def __getitem__(self, name: str) -> Gateway:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def names(self) -> list[str]:
        return list(self._by_name)

    def taking(self, method: Method) -> Gateway | None:
        """The gateway that is asked for a method; None where nobody takes it."""
        return next((gateway for gateway in self._by_name.values() if method in gateway.supports), None)

    def taking_in_order(self, method: Method) -> list[str]:
        """The names of all that take a method, the first choice first."""
        return [name for name, gateway in self._by_name.items() if method in gateway.supports]

    def methods(self) -> list[Method]:
        """Every method that somebody takes."""
        return sorted(set().union(*(gateway.supports for gateway in self._by_name.values())))

    async def close(self) -> None:
        """Close the connections of all."""
        for gateway in self._by_name.values():
            await gateway.close()
