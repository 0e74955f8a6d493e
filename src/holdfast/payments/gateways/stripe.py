"""Stripe, through its own library: a PaymentIntent for each payment, with our ids as keys and in its metadata.

Stripe forgets an idempotency key after a day and would then take money twice. So whatever is old is looked for before it is asked for
again: among what was made when our id was made, because the time stands in it. Stripe's search index lags behind, its lists do not.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import httpx
import msgspec
import stripe
from msgspec import UNSET, Struct, UnsetType
from stripe.params import BalanceTransactionListParams, PaymentIntentCreateParams, PaymentIntentListParams, RefundListParams

from holdfast.common.money import Amount, currency_digits
from holdfast.database import forbid_inside_transaction
from holdfast.payments.gateway import (
    NOTHING_KNOWN,
    Captured,
    Declined,
    DisputeFact,
    DisputeStatus,
    ForgedWebhook,
    GatewayDown,
    Known,
    Outcome,
    PaymentFact,
    Pending,
    Refunded,
    RefundFact,
    RefundOutcome,
    SettledItem,
    SettledKind,
    Unknown,
    WebhookFact,
)
from holdfast.payments.gateways.connection import ours
from holdfast.payments.models import Method, PaymentId, RefundId

TIMEOUT_S = 10.0
CONNECTIONS_MAX = 50
IDLE_MAX_S = 4.0
TOLERANCE_S = 300
KEY_KEPT_FOR_S = 23 * 3600
"""Stripe keeps keys for 24 hours at least. An hour less, because clocks differ."""

PAYER_WITHIN_S = 15 * 60
"""How long a payer has for 3-D Secure. Stripe itself would wait for ever, and the thing to be paid for with it."""

_PAGE = 100
# When a payment was made at Stripe, in seconds from the time in our id: usually at once, and always before now.
_NEAR_S, _SKEW_S = (5, 30), 60
_WAITS_FOR_PAYER = ("requires_action", "requires_confirmation", "requires_payment_method")
_PAYMENT, _REFUND = "holdfast_payment", "holdfast_refund"

# Digits after the point where Stripe does not count two: https://docs.stripe.com/currencies. Of three the last must be 0. ISK and UGX
# have no digits and are counted with two all the same.
_STRIPE_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "JOD", "KWD", "OMR", "TND"), 3),
}

_DISPUTES = {
    "won": DisputeStatus.WON,
    "warning_closed": DisputeStatus.WON,
    "prevented": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}

T = TypeVar("T")
S = TypeVar("S", bound=Struct)
L = TypeVar("L", bound="_Listed")


class _Error(Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None


class _Redirect(Struct, frozen=True):
    url: str | None = None


class _NextAction(Struct, frozen=True):
    redirect_to_url: _Redirect | None = None


class _Listed(Struct, frozen=True):
    id: str


class _Intent(_Listed, frozen=True):
    status: str
    created: int
    amount_received: int
    currency: str
    metadata: dict[str, str]
    last_payment_error: _Error | None = None
    next_action: _NextAction | None = None
    cancellation_reason: str | None = None


class _Refund(_Listed, frozen=True):
    status: str
    amount: int
    currency: str
    metadata: dict[str, str] | None = None
    failure_reason: str | None = None


class _RefundsOfCharge(Struct, frozen=True):
    data: tuple[_Refund, ...] = ()


class _Charge(Struct, frozen=True):
    amount_captured: int
    currency: str
    metadata: dict[str, str]
    payment_intent: str | None = None
    refunds: _RefundsOfCharge | None = None


class _Dispute(Struct, frozen=True):
    id: str
    status: str
    amount: int
    currency: str
    reason: str
    payment_intent: str | None = None


class _Movement(_Listed, frozen=True):
    type: str
    created: int
    source: dict[str, object] | str | None = None


class _Page(Struct, Generic[L], frozen=True):
    data: list[L]
    has_more: bool

    def __post_init__(self) -> None:
        if self.has_more and not self.data:
            raise ValueError("a page with nothing on it promises more")

    @property
    def goes_on_after(self) -> str | None:
        """None on the last page."""
        return self.data[-1].id if self.has_more else None


class _Answer(Struct, frozen=True):
    error: dict[str, object] | UnsetType = UNSET


class _Data(Struct, frozen=True):
    object: msgspec.Raw


class _Event(Struct, frozen=True):
    id: str
    type: str
    data: _Data


class StripeGateway:
    """Our side of Stripe. ``source`` of a charge is the id of a PaymentMethod, which Stripe's own page made of a card."""

    name = "stripe"
    supports = frozenset({Method.CARD})

    def __init__(
        self, secret_key: str, webhook_secrets: Sequence[str], *, api_base: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        """``webhook_secrets``: several while one replaces another. ``api_base``: another server than Stripe's own, for tests."""
        self._webhook_secrets = webhook_secrets
        self._timeout_s = timeout_s
        self._connections = _Connections(timeout_s, is_local=api_base is not None)
        self._stripe = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base} if api_base else {},
            http_client=self._connections,
            # The worker asks again, and knows how to.
            max_network_retries=0,
        ).v1

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close_async()

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        return await self._answered(self._charge(payment, amount, source, return_url, authenticate))

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        return await self._answered(self._give_back(refund, payment, amount))

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        return await self._answered(self._find(payment))

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        """Stripe shows the newest first and we tell the oldest first, so all of it is read before the first is told."""
        found: list[SettledItem] = []
        wanted: BalanceTransactionListParams = {"created": {"gte": int(since.timestamp())}, "limit": _PAGE, "expand": ["data.source"]}
        while True:
            page = await self._answered(self._movements(wanted))
            if isinstance(page, Unknown):
                raise GatewayDown(page.why)
            found += [settled for movement in page.data if (settled := _settled(movement)) is not None]
            if (last := page.goes_on_after) is None:
                break
            wanted["starting_after"] = last
        for settled in reversed(found):
            yield settled

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        self._verify(headers.get("stripe-signature"), body)
        try:
            event = msgspec.json.decode(body, type=_Event)
        except msgspec.MsgspecError:
            raise ForgedWebhook from None
        try:
            return [WebhookFact(event.id, _facts(event))]
        except msgspec.MsgspecError:
            # Genuine, but in words that we do not know: kept, and nothing is done.
            return [WebhookFact(event.id)]

    def _verify(self, signature: str | None, body: bytes) -> None:
        for secret in self._webhook_secrets:
            try:
                stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_S)
                return
            except (stripe.SignatureVerificationError, ValueError, TypeError):
                continue
        raise ForgedWebhook

    async def _charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool) -> Outcome:
        minor = _to_stripe(amount)
        if minor is None:
            return Declined("invalid_amount")
        if time.time() - _made_at(payment) > KEY_KEPT_FOR_S and (found := await self._find(payment)) is not None:
            return found
        wanted: PaymentIntentCreateParams = {
            "amount": minor,
            "currency": amount.currency.lower(),
            "payment_method": source,
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",
            "confirm": True,
            "metadata": {_PAYMENT: str(payment)},
            "payment_method_options": {"card": {"request_three_d_secure": "any" if authenticate else "automatic"}},
        }
        if return_url is not None:
            wanted["return_url"] = return_url
        try:
            intent = await self._stripe.payment_intents.create_async(wanted, {"idempotency_key": str(payment)})
        except stripe.CardError as error:
            return _declined_by(error)
        except stripe.InvalidRequestError as error:
            return Declined(error.code or "invalid_request")
        return _outcome(_read(intent, _Intent))

    async def _find(self, payment: PaymentId) -> Outcome | None:
        intent = await self._intent_of(payment)
        if intent is None:
            return None
        outcome = _outcome(intent)
        if isinstance(outcome, Pending) and intent.status in _WAITS_FOR_PAYER and time.time() - intent.created > PAYER_WITHIN_S:
            return _outcome(await self._abandon(intent))
        return outcome

    async def _give_back(self, refund: RefundId, payment: PaymentId, amount: Amount) -> RefundOutcome:
        minor = _to_stripe(amount)
        if minor is None:
            return Declined("invalid_amount")
        intent = await self._intent_of(payment)
        if intent is None:
            return Unknown("Stripe has not heard of the payment")
        known = await self._refund_of(intent, refund)
        if known is not None:
            return _refund_outcome(known)
        try:
            made = await self._stripe.refunds.create_async(
                {"payment_intent": intent.id, "amount": minor, "metadata": {_REFUND: str(refund), _PAYMENT: str(payment)}},
                {"idempotency_key": str(refund)},
            )
        except stripe.InvalidRequestError as error:
            if error.code == "balance_insufficient":
                # Not for ever: the next sales fill our balance at Stripe.
                raise
            return Declined("not_refundable")
        return _refund_outcome(_read(made, _Refund))

    async def _intent_of(self, payment: PaymentId) -> _Intent | None:
        """The intent with our id, looked for first when it was most likely made, then in all the time since."""
        made_at, now = _made_at(payment), int(time.time()) + _SKEW_S
        before_s, after_s = _NEAR_S
        for since, until in ((made_at - before_s, made_at + after_s), (made_at - _SKEW_S, now)):
            wanted: PaymentIntentListParams = {"created": {"gte": since, "lte": until}, "limit": _PAGE}
            while True:
                page = _read(await self._stripe.payment_intents.list_async(wanted), _Page[_Intent])
                for intent in page.data:
                    if intent.metadata.get(_PAYMENT) == str(payment):
                        return intent
                if (last := page.goes_on_after) is None:
                    break
                wanted["starting_after"] = last
        return None

    async def _refund_of(self, intent: _Intent, refund: RefundId) -> _Refund | None:
        wanted: RefundListParams = {"payment_intent": intent.id, "limit": _PAGE}
        while True:
            page = _read(await self._stripe.refunds.list_async(wanted), _Page[_Refund])
            for known in page.data:
                if (known.metadata or {}).get(_REFUND) == str(refund):
                    return known
            if (last := page.goes_on_after) is None:
                return None
            wanted["starting_after"] = last

    async def _movements(self, wanted: BalanceTransactionListParams) -> _Page[_Movement]:
        return _read(await self._stripe.balance_transactions.list_async(wanted), _Page[_Movement])

    async def _abandon(self, intent: _Intent) -> _Intent:
        """End an intent that waits for its payer for too long; one that was decided at this moment stays as it is."""
        try:
            return _read(await self._stripe.payment_intents.cancel_async(intent.id, {"cancellation_reason": "abandoned"}), _Intent)
        except stripe.InvalidRequestError:
            return _read(await self._stripe.payment_intents.retrieve_async(intent.id), _Intent)

    async def _answered(self, asked: Coroutine[Any, Any, T]) -> T | Unknown:
        """An answer in time, or why there is none: whatever Stripe or the network does is no reason to raise."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asked
        except TimeoutError:
            return Unknown("no answer: TimeoutError")
        except stripe.APIConnectionError as error:
            return Unknown(f"no answer: {type(error.__cause__ or error).__name__}")
        except stripe.StripeError as error:
            return Unknown(f"answered with status {error.http_status}: {error.code or type(error).__name__}")
        except msgspec.MsgspecError as error:
            return Unknown(f"an answer that makes no sense: {error}")


class _Connections(stripe.HTTPClient):
    """How the library reaches Stripe: as the sandbox is reached, and not through what httpx would do by itself."""

    name = "httpx"

    def __init__(self, timeout_s: float, *, is_local: bool) -> None:
        super().__init__()
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_MAX_S),
            trust_env=not is_local,
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        forbid_inside_transaction(f"Stripe: {method} {url}")
        try:
            answer = await self._client.request(method, url, headers=dict(headers), content=post_data)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        _demand_sense(answer)
        return answer.content, answer.status_code, answer.headers

    async def close_async(self) -> None:
        await self._client.aclose()


def _demand_sense(answer: httpx.Response) -> None:
    """Stripe's library takes for granted that an answer is an object, and that one which is no success has an error in it."""
    try:
        told = msgspec.json.decode(answer.content.decode(), type=_Answer)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(str(error)) from error
    if not answer.is_success and told.error is UNSET:
        raise msgspec.ValidationError(f"status {answer.status_code} without an error")


def _read(answer: object, wanted: type[S]) -> S:
    """What Stripe's library made of an answer, which it does not look at. Raises msgspec.ValidationError."""
    return msgspec.convert(answer.to_dict() if isinstance(answer, stripe.StripeObject) else answer, wanted)


def _made_at(payment: PaymentId) -> int:
    """Seconds since 1970, from the UUIDv7."""
    return (payment.int >> 80) // 1000


def _to_stripe(amount: Amount) -> int | None:
    """An amount in the units that Stripe counts in; None where it cannot be said in them, for nothing is rounded."""
    digits = _STRIPE_DIGITS.get(amount.currency, 2)
    counted, rest = divmod(amount.minor * 10**digits, 10 ** currency_digits(amount.currency))
    return None if rest or (digits == 3 and counted % 10) else counted  # noqa: PLR2004 - three digits.


def _from_stripe(minor: int, currency: str) -> Amount:
    """Raises msgspec.ValidationError where it is no whole number of our units."""
    ours = currency.upper()
    counted, rest = divmod(minor * 10 ** currency_digits(ours), 10 ** _STRIPE_DIGITS.get(ours, 2))
    if rest:
        raise msgspec.ValidationError(f"{minor} {ours} has a part of a minor unit")
    return Amount(ours, counted)


def _outcome(intent: _Intent) -> Outcome:
    error = intent.last_payment_error
    match intent.status:
        case "succeeded":
            return Captured(_from_stripe(intent.amount_received, intent.currency), intent.id)
        case "canceled":
            return Declined(intent.cancellation_reason or "canceled", intent.id)
        case "requires_payment_method" if error is not None:
            return Declined(error.decline_code or error.code or "declined", intent.id)
        case "processing" | "requires_action" | "requires_confirmation" | "requires_payment_method":
            redirect = intent.next_action.redirect_to_url if intent.next_action else None
            return Pending(intent.id, redirect.url if redirect else None)
        case other:
            return Unknown(f"a status of a payment that is not known here: {other}")


def _declined_by(error: stripe.CardError) -> Outcome:
    """A decline as the error tells it: with the intent, which says the same whenever it is asked for again."""
    body = error.json_body if isinstance(error.json_body, dict) else {}
    told = body.get("error", {})
    if isinstance(told, dict) and "payment_intent" in told:
        return _outcome(msgspec.convert(told["payment_intent"], _Intent))
    return Declined(error.code or "declined")


def _refund_outcome(refund: _Refund) -> RefundOutcome:
    match refund.status:
        case "succeeded":
            return Refunded(refund.id)
        case "failed" | "canceled":
            return Declined(refund.failure_reason or refund.status, refund.id)
        case "pending" | "requires_action":
            return Pending(refund.id)
        case other:
            return Unknown(f"a status of a refund that is not known here: {other}")


def _facts(event: _Event) -> tuple[PaymentFact | RefundFact | DisputeFact, ...]:
    match event.type.split("."):
        case ["payment_intent", "succeeded" | "payment_failed" | "canceled"]:
            intent = msgspec.json.decode(event.data.object, type=_Intent)
            payment = ours(PaymentId, intent.metadata.get(_PAYMENT))
            return (PaymentFact(payment, _outcome(intent)),) if payment else ()
        case ["charge", "refunded"]:
            charge = msgspec.json.decode(event.data.object, type=_Charge)
            return tuple(fact for refund in (charge.refunds.data if charge.refunds else ()) for fact in _refund_facts(refund))
        case ["refund", "created" | "updated" | "failed"] | ["charge", "refund", "updated"]:
            return _refund_facts(msgspec.json.decode(event.data.object, type=_Refund))
        case ["charge", "dispute", _]:
            return _dispute_facts(msgspec.json.decode(event.data.object, type=_Dispute))
        case _:
            return ()


def _refund_facts(refund: _Refund) -> tuple[RefundFact, ...]:
    refund_id = ours(RefundId, (refund.metadata or {}).get(_REFUND))
    return (RefundFact(refund_id, _refund_outcome(refund)),) if refund_id else ()


def _dispute_facts(dispute: _Dispute) -> tuple[DisputeFact, ...]:
    """Nothing of ours stands in a dispute but the intent, which is the reference of our payment."""
    if dispute.payment_intent is None:
        return ()
    return (
        DisputeFact(
            payment=None,
            payment_reference=dispute.payment_intent,
            dispute_id=dispute.id,
            amount=_from_stripe(dispute.amount, dispute.currency),
            status=_DISPUTES.get(dispute.status, DisputeStatus.OPENED),
            reason=dispute.reason,
        ),
    )


def _settled(movement: _Movement) -> SettledItem | None:
    """None for what is no movement of a payment or refund of ours, and for refunds that came back."""
    at = datetime.fromtimestamp(movement.created, UTC)
    match movement.type:
        case "charge" | "payment":
            charge = msgspec.convert(movement.source, _Charge)
            payment = ours(PaymentId, charge.metadata.get(_PAYMENT))
            if payment is None:
                return None
            taken = _from_stripe(charge.amount_captured, charge.currency)
            return SettledItem(SettledKind.CAPTURE, payment, payment, taken, charge.payment_intent or "", at)
        case "refund" | "payment_refund":
            refund = msgspec.convert(movement.source, _Refund)
            metadata = refund.metadata or {}
            refund_id, payment = ours(RefundId, metadata.get(_REFUND)), ours(PaymentId, metadata.get(_PAYMENT))
            if refund_id is None or payment is None or refund.status in ("failed", "canceled"):
                return None
            return SettledItem(SettledKind.REFUND, refund_id, payment, _from_stripe(refund.amount, refund.currency), refund.id, at)
        case _:
            return None
