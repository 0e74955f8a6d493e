"""The sandbox gateway, over HTTP. A real gateway's file looks like this one."""

import base64
import binascii
import hmac
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

import httpx
import msgspec
from msgspec import Struct

from holdfast.common.money import Amount
from holdfast.payments.gateway import (
    NOTHING_KNOWN,
    Captured,
    Declined,
    DisputeFact,
    DisputeStatus,
    Fact,
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
from holdfast.payments.gateways.connection import Connection, ours, read
from holdfast.payments.models import Method, PaymentId, RefundId

TIMEOUT_S = 10.0
TOLERANCE_S = 300
_PAGE = 500
_OK = 200
_MISSING = 404
_NOT_REFUNDABLE = 422
_MEANT = {"GET": frozenset({_OK, _MISSING}), "POST": frozenset({_OK, _NOT_REFUNDABLE})}


class _Charge(Struct, frozen=True, rename="camel"):
    id: str
    reference: str
    status: Literal["captured", "declined", "pending"]
    taken: int
    currency: str
    reason: str | None = None
    next_action: str | None = None


class _Refund(Struct, frozen=True, rename="camel"):
    id: str
    reference: str
    status: Literal["done", "declined", "pending"]
    reason: str | None = None


class _Dispute(Struct, frozen=True, rename="camel"):
    id: str
    charge_id: str
    charge_reference: str
    status: Literal["opened", "won", "lost"]
    amount: int
    currency: str
    reason: str


class _Movement(Struct, frozen=True, rename="camel"):
    position: int
    kind: Literal["capture", "refund"]
    id: str
    charge_id: str
    amount: int
    currency: str
    reference: str
    at: float


class _Message(Struct, frozen=True):
    type: str
    data: msgspec.Raw


class SandboxGateway:
    """Our side of the sandbox."""

    name = "sandbox"
    supports = frozenset({Method.CARD, Method.MOBILE_WALLET})

    def __init__(self, url: str, secret: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """``secret`` signs its webhooks and opens its doors. ``timeout_s`` is for a whole call."""
        self._secret = secret.encode()
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._connection = Connection(self.name, url, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        wanted = {
            "id": str(payment),
            "amount": amount.minor,
            "currency": amount.currency,
            "source": source,
            "returnUrl": return_url,
            "authenticate": authenticate,
        }
        answer = await self._call("POST", "/charges", wanted)
        return answer if isinstance(answer, Unknown) else _outcome(answer)

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        wanted = {"id": str(refund), "chargeId": str(payment), "amount": amount.minor, "currency": amount.currency}
        answer = await self._call("POST", "/refunds", wanted)
        if isinstance(answer, httpx.Response) and answer.status_code == _NOT_REFUNDABLE:
            return Declined("not_refundable")
        if isinstance(answer, Unknown):
            # An error does not say that nothing was done, and repeating the key may repeat the error.
            answer = await self._call("GET", f"/refunds/{refund}")
        return answer if isinstance(answer, Unknown) else _refund_outcome(answer)

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        answer = await self._call("GET", f"/charges/{payment}")
        if isinstance(answer, Unknown):
            return answer
        return None if answer.status_code == _MISSING else _outcome(answer)

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        after = 0
        while True:
            answer = await self._call("GET", f"/settled?since={since.timestamp()}&after={after}&limit={_PAGE}")
            if isinstance(answer, Unknown):
                raise GatewayDown(answer.why)
            page = read(answer.content, list[_Movement], strict=True)
            if isinstance(page, Unknown):
                raise GatewayDown(page.why)
            for movement in page:
                yield _settled(movement)
            if len(page) < _PAGE:
                return
            after = page[-1].position

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        event_id = headers.get("webhook-id", "")
        self._verify(event_id, headers.get("webhook-timestamp", ""), headers.get("webhook-signature", ""), body)
        try:
            return [WebhookFact(event_id, _facts(msgspec.json.decode(body, type=_Message)))]
        except msgspec.MsgspecError:
            # Genuine, but in words that we do not know: kept, and nothing is done.
            return [WebhookFact(event_id)]

    def _verify(self, event_id: str, timestamp: str, signature: str, body: bytes) -> None:
        """Over the raw bytes, in constant time; what is older than five minutes may be a replay. Raises ForgedWebhook."""
        if not event_id or not timestamp.isascii() or not timestamp.isdigit() or abs(time.time() - int(timestamp[:15])) > TOLERANCE_S:
            raise ForgedWebhook
        expected = hmac.digest(self._secret, f"{event_id}.{timestamp}.".encode() + body, "sha256")
        for part in signature.split(" "):
            version, _, encoded = part.partition(",")
            try:
                if version == "v1" and hmac.compare_digest(base64.b64decode(encoded, validate=True), expected):
                    return
            except (binascii.Error, ValueError):
                continue
        raise ForgedWebhook

    async def _call(self, method: str, path: str, wanted: object = None) -> httpx.Response | Unknown:
        return await self._connection.ask(method, path, meant=_MEANT[method], headers=self._headers, json=wanted)


def _outcome(answer: httpx.Response) -> Outcome:
    charge = read(answer.content, _Charge, strict=True)
    return charge if isinstance(charge, Unknown) else _outcome_of(charge)


def _outcome_of(charge: _Charge) -> Outcome:
    match charge.status:
        case "captured":
            return Captured(Amount(charge.currency, charge.taken), charge.reference)
        case "declined":
            return Declined(charge.reason or "declined", charge.reference)
        case "pending":
            return Pending(charge.reference, charge.next_action)


def _refund_outcome(answer: httpx.Response) -> RefundOutcome:
    if answer.status_code == _MISSING:
        return Unknown("the gateway has not heard of this refund")
    refund = read(answer.content, _Refund, strict=True)
    return refund if isinstance(refund, Unknown) else _refund_outcome_of(refund)


def _refund_outcome_of(refund: _Refund) -> RefundOutcome:
    match refund.status:
        case "done":
            return Refunded(refund.reference)
        case "declined":
            return Declined(refund.reason or "declined", refund.reference)
        case "pending":
            return Pending(refund.reference)


def _facts(message: _Message) -> tuple[Fact, ...]:
    about = message.type.partition(".")[0]
    if about == "charge":
        charge = msgspec.json.decode(message.data, type=_Charge)
        payment_id = ours(PaymentId, charge.id)
        return (PaymentFact(payment_id, _outcome_of(charge)),) if payment_id else ()
    if about == "refund":
        refund = msgspec.json.decode(message.data, type=_Refund)
        refund_id = ours(RefundId, refund.id)
        return (RefundFact(refund_id, _refund_outcome_of(refund)),) if refund_id else ()
    if about == "dispute":
        dispute = msgspec.json.decode(message.data, type=_Dispute)
        payment_id, amount = ours(PaymentId, dispute.charge_id), Amount(dispute.currency, dispute.amount)
        status = DisputeStatus(dispute.status.upper())
        return (DisputeFact(payment_id, dispute.charge_reference, dispute.id, amount, status, dispute.reason),) if payment_id else ()
    return ()


def _settled(movement: _Movement) -> SettledItem:
    payment = PaymentId.parse(movement.charge_id)
    is_capture = movement.kind == "capture"
    return SettledItem(
        kind=SettledKind.CAPTURE if is_capture else SettledKind.REFUND,
        id=payment if is_capture else RefundId.parse(movement.id),
        payment=payment,
        amount=Amount(movement.currency, movement.amount),
        reference=movement.reference,
        at=datetime.fromtimestamp(movement.at, UTC),
    )
