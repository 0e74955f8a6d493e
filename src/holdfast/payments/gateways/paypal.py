"""PayPal: Orders v2 with intent CAPTURE, approved on PayPal's own page. Nothing of a card or an account comes here.

Shapes, from PayPal's OpenAPI files (paypal/paypal-rest-api-specifications: Orders v2, Payments v2, Webhooks v1, Transaction Search
v1) and its guides on idempotency and webhooks, as they stood in 2025:

- ``PayPal-Request-Id`` makes a call idempotent for 6 hours (orders and their capture) or 45 days (refunds). After that a refund is
  looked for among those of its order before it is asked for again.
- There is no way to ask for an order by an id of ours. So ``find`` needs the reference that ``charge`` brought. Without one there
  is nothing to find: nobody was ever sent to that order, and only we capture.
- **``find`` captures** what the payer has approved, unless we have given up on it: PayPal takes no money before it is told to, the
  page that payers come back to proves nothing and may never be opened, and everybody who wants to know calls ``find`` (the
  worker, a repeated request, a webhook that says "approved"). Its idempotency id is that of the payment, so any number of them
  capture once.
- Messages are verified with the certificate that they name, not with the endpoint that verifies them: that would be a call for each
  message, and would have to be sent the very bytes that were signed inside of other JSON. The certificate is fetched from PayPal's
  own host and nowhere else, once.

Not verified against a live account: how long a completed order can be read, and whether Transaction Search shows a refund's
``custom_id`` as ``custom_field``; it lags behind by up to three hours, so that nothing but the comparison with the books reads it.
"""

import base64
import binascii
import time
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import httpx
import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec import Struct

from holdfast.common.money import Amount, currency_digits, major_text, minor_units
from holdfast.payments.gateway import (
    NOTHING_KNOWN,
    Captured,
    Declined,
    Fact,
    ForgedWebhook,
    GatewayDown,
    Known,
    Outcome,
    PaymentFact,
    PaymentNews,
    Pending,
    Refunded,
    RefundFact,
    RefundOutcome,
    SettledItem,
    SettledKind,
    Unknown,
    WebhookFact,
)
from holdfast.payments.gateways.connection import REFUSED, TIMEOUT_S, AccessToken, Connection, age, ours, read
from holdfast.payments.models import Method, PaymentId, RefundId

LIVE: Final = "https://api-m.paypal.com"
TEST: Final = "https://api-m.sandbox.paypal.com"
_CERTIFICATE_HOSTS = {LIVE: "https://api.paypal.com", TEST: "https://api.sandbox.paypal.com"}

CURRENCIES = frozenset(
    "AUD BRL CAD CNY CZK DKK EUR HKD HUF ILS JPY MYR MXN TWD NZD NOK PHP PLN GBP SGD SEK CHF THB USD".split()  # noqa: SIM905
)
"""What PayPal takes. EGP is not among them."""
_WHOLE_ONLY = frozenset(("HUF", "JPY", "TWD"))

APPROVED_WITHIN = timedelta(minutes=15)
"""An order that is approved later is not captured any more: the hold has lapsed, and the money would have to go back."""
REFUND_KEYS_LIVE = timedelta(days=40)
CERTIFICATES_MAX = 8
CERTIFICATE_BYTES_MAX = 64 * 1024
CERTIFICATE_FETCHES_MAX = 20
"""In a minute: strangers, who can name any certificate, must not make us call PayPal as often as they like."""

_MARGIN_S = 60.0
_MINUTE_S = 60.0
_PAGE = 500
_WINDOW = timedelta(days=30)
_OK, _CREATED, _MISSING, _UNFIT = 200, 201, 404, 422
_DONE = frozenset({_OK, _CREATED})

_REASONS = {
    "INSTRUMENT_DECLINED": "do_not_honor",
    "TRANSACTION_REFUSED": "do_not_honor",
    "PAYER_CANNOT_PAY": "do_not_honor",
    "PAYER_ACCOUNT_RESTRICTED": "suspected_fraud",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "suspected_fraud",
    "COMPLIANCE_VIOLATION": "suspected_fraud",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "limit_exceeded",
    "TRANSACTION_LIMIT_EXCEEDED": "limit_exceeded",
}
_NOT_REFUNDABLE = frozenset(
    (
        "CAPTURE_FULLY_REFUNDED",
        "REFUND_AMOUNT_EXCEEDED",
        "REFUND_TIME_LIMIT_EXCEEDED",
        "REFUND_NOT_ALLOWED",
        "REFUND_CAPTURE_CURRENCY_MISMATCH",
        "CAPTURE_DISPUTED_PARTIAL_REFUND_NOT_ALLOWED",
        "MAX_NUMBER_OF_REFUNDS_EXCEEDED",
        "TRANSACTION_REFUSED",
    )
)


class _Access(Struct, frozen=True):
    access_token: str
    expires_in: float


class _Money(Struct, frozen=True):
    currency_code: str
    value: str

    @property
    def amount(self) -> Amount:
        return Amount(self.currency_code, minor_units(self.value, self.currency_code))


class _Link(Struct, frozen=True):
    href: str
    rel: str


class _RelatedIds(Struct, frozen=True):
    order_id: str | None = None


class _Supplement(Struct, frozen=True):
    related_ids: _RelatedIds = _RelatedIds()


class _Capture(Struct, frozen=True):
    id: str
    status: str
    amount: _Money
    custom_id: str | None = None
    supplementary_data: _Supplement = _Supplement()


class _Refund(Struct, frozen=True):
    id: str
    status: str
    custom_id: str | None = None


class _Payments(Struct, frozen=True):
    captures: tuple[_Capture, ...] = ()
    refunds: tuple[_Refund, ...] = ()


class _Unit(Struct, frozen=True):
    custom_id: str | None = None
    payments: _Payments = _Payments()


class _Order(Struct, frozen=True):
    id: str
    status: str
    purchase_units: tuple[_Unit, ...] = ()
    links: tuple[_Link, ...] = ()

    @property
    def page(self) -> str | None:
        """Where the payer approves it."""
        return next((link.href for link in self.links if link.rel in ("payer-action", "approve")), None)


class _Issue(Struct, frozen=True):
    issue: str


class _Problem(Struct, frozen=True):
    details: tuple[_Issue, ...] = ()

    @property
    def issue(self) -> str:
        return self.details[0].issue if self.details else ""


class _Event(Struct, frozen=True):
    id: str
    event_type: str
    resource: msgspec.Raw


class _Moved(Struct, frozen=True):
    transaction_id: str
    transaction_event_code: str
    transaction_status: str
    transaction_initiation_date: datetime
    transaction_amount: _Money
    custom_field: str | None = None


class _Detail(Struct, frozen=True):
    transaction_info: _Moved


class _Page(Struct, frozen=True):
    transaction_details: tuple[_Detail, ...] = ()
    total_pages: int = 1


class PayPalGateway:
    """Our side of PayPal. A source says nothing here: payers choose on PayPal's page."""

    name = "paypal"
    supports = frozenset({Method.PAYPAL})

    def __init__(self, url: str, client_id: str, secret: str, webhook_id: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """``webhook_id`` is PayPal's id of our address for its messages: it is part of what they sign."""
        self._client_id = client_id
        self._secret = secret
        self._webhook_id = webhook_id
        self._certificates_from = f"{_CERTIFICATE_HOSTS.get(url, url)}/v1/notifications/certs/"
        self._certificates: dict[str, x509.Certificate] = {}
        self._fetches: list[float] = []
        self._connection = Connection(self.name, url, timeout_s=timeout_s)
        self._access = AccessToken(self._fetch_token)

    async def close(self) -> None:
        await self._connection.close()

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        if amount.currency not in CURRENCIES:
            return Declined("currency_not_taken")
        value = _value(amount)
        if value is None:
            return Declined("currency_not_taken")
        experience: dict[str, object] = {"user_action": "PAY_NOW", "shipping_preference": "NO_SHIPPING"}
        if return_url:
            experience |= {"return_url": return_url, "cancel_url": return_url}
        wanted = {
            "intent": "CAPTURE",
            "purchase_units": [{"custom_id": str(payment), "invoice_id": str(payment), "amount": value}],
            "payment_source": {"paypal": {"experience_context": experience}},
        }
        answer = await self._call("POST", "/v2/checkout/orders", wanted, key=str(payment), meant=_DONE)
        order = answer if isinstance(answer, Unknown) else read(answer.content, _Order)
        return order if isinstance(order, Unknown) else Pending(order.id, order.page)

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        if known.reference is None:
            return None
        order = await self._order(known.reference)
        if order is None:
            # Nothing is taken of an order that nobody approved, and it is forgotten some hours later.
            return None if age(payment) > APPROVED_WITHIN else Unknown("the gateway has not heard of its own order")
        if isinstance(order, Unknown):
            return order
        outcome = _outcome(order, payment)
        if outcome is not None:
            return outcome
        if known.is_given_up or age(payment) > APPROVED_WITHIN:
            return Declined("not_received", order.id)
        return await self._capture(payment, order) if order.status == "APPROVED" else Pending(order.id, order.page)

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        value = _value(amount)
        if known.reference is None or value is None:
            return Unknown("no capture is known")
        if age(refund) > REFUND_KEYS_LIVE:
            # PayPal has forgotten the key: asking again would give the money back again.
            earlier = await self._earlier(refund, payment, known.reference)
            if earlier is not None:
                return earlier
        wanted = {"amount": value, "custom_id": _of_refund(payment, refund)}
        path = f"/v2/payments/captures/{known.reference}/refund"
        answer = await self._call("POST", path, wanted, key=str(refund), meant=_DONE | {_UNFIT})
        if isinstance(answer, Unknown):
            return answer
        if answer.status_code == _UNFIT:
            issue = _issue(answer)
            return Declined("not_refundable") if issue in _NOT_REFUNDABLE else Unknown(f"refused because of {issue or 'nothing'}")
        done = read(answer.content, _Refund)
        return done if isinstance(done, Unknown) else _refund_outcome(done)

    async def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        now = datetime.now(UTC)
        while since < now:
            until = since + _WINDOW
            found = [_settled(moved) for moved in await self._moved(since, until)]
            for item in sorted((item for item in found if item is not None), key=lambda item: item.at):
                # PayPal is asked in whole seconds, a little beyond both ends.
                if since <= item.at < until:
                    yield item
            since = until

    async def fetch_certificate(self, headers: Mapping[str, str]) -> None:
        url = headers.get("paypal-cert-url", "")
        name = url.removeprefix(self._certificates_from)
        if name == url or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise ForgedWebhook
        if url in self._certificates:
            return
        self._take_a_turn()
        # An absolute address is asked as it stands, so this never leaves the host above.
        answer = await self._connection.ask("GET", url, headers={}, meant=frozenset({_OK, _MISSING}))
        if isinstance(answer, Unknown):
            raise GatewayDown(answer.why)
        if answer.status_code == _MISSING or len(answer.content) > CERTIFICATE_BYTES_MAX:
            raise ForgedWebhook
        try:
            certificate = x509.load_pem_x509_certificates(answer.content)[0]
        except (ValueError, IndexError) as error:
            raise GatewayDown("the certificate cannot be read") from error
        if len(self._certificates) >= CERTIFICATES_MAX:
            del self._certificates[next(iter(self._certificates))]
        self._certificates[url] = certificate

    def _take_a_turn(self) -> None:
        now = time.monotonic()
        self._fetches = [at for at in self._fetches if now - at < _MINUTE_S]
        if len(self._fetches) >= CERTIFICATE_FETCHES_MAX:
            raise GatewayDown("too many certificates were asked for")
        self._fetches.append(now)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        self._verify(headers, body)
        try:
            event = msgspec.json.decode(body, type=_Event)
        except msgspec.MsgspecError as error:
            raise ForgedWebhook from error
        try:
            return [WebhookFact(event.id, _facts(event))]
        except (msgspec.MsgspecError, ValueError):
            # Genuine, but in words that we do not know: kept, and nothing is done.
            return [WebhookFact(event.id)]

    def _verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """RSA over the ids, the time and a CRC-32 of the raw bytes. Raises ForgedWebhook.

        How old a message is says nothing: PayPal sends one for three days with its first time. Its id is kept much longer.
        """
        certificate = self._certificates.get(headers.get("paypal-cert-url", ""))
        now = datetime.now(UTC)
        if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise ForgedWebhook
        signed = "|".join(
            (
                headers.get("paypal-transmission-id", ""),
                headers.get("paypal-transmission-time", ""),
                self._webhook_id,
                str(zlib.crc32(body)),
            )
        )
        key = certificate.public_key()
        try:
            signature = base64.b64decode(headers.get("paypal-transmission-sig", ""), validate=True)
            if headers.get("paypal-auth-algo") != "SHA256withRSA" or not isinstance(key, RSAPublicKey):
                raise ForgedWebhook
            key.verify(signature, signed.encode(), PKCS1v15(), SHA256())
        except (binascii.Error, ValueError, InvalidSignature) as error:
            raise ForgedWebhook from error

    async def _capture(self, payment: PaymentId, order: _Order) -> Outcome:
        answer = await self._call("POST", f"/v2/checkout/orders/{order.id}/capture", {}, key=f"{payment}-capture", meant=_DONE | {_UNFIT})
        if isinstance(answer, Unknown):
            return answer
        if answer.status_code == _UNFIT:
            issue = _issue(answer)
            if issue in _REASONS:
                return Declined(_REASONS[issue], order.id)
            # Captured already, by somebody at the same time: the next time it is asked for it is told.
            return Unknown(f"refused because of {issue or 'nothing'}")
        captured = read(answer.content, _Order)
        if isinstance(captured, Unknown):
            return captured
        return _outcome(captured, payment) or Pending(order.id)

    async def _earlier(self, refund: RefundId, payment: PaymentId, capture_id: str) -> RefundOutcome | None:
        """What became of a refund that was asked for before; None where it never was."""
        answer = await self._call("GET", f"/v2/payments/captures/{capture_id}", meant=frozenset({_OK}))
        capture = answer if isinstance(answer, Unknown) else read(answer.content, _Capture)
        if isinstance(capture, Unknown):
            return capture
        order = await self._order(capture.supplementary_data.related_ids.order_id or "unknown")
        if order is None or isinstance(order, Unknown):
            return order or Unknown("the gateway has not heard of its own order")
        marked = _of_refund(payment, refund)
        found = next((done for unit in order.purchase_units for done in unit.payments.refunds if done.custom_id == marked), None)
        return None if found is None else _refund_outcome(found)

    async def _order(self, order_id: str) -> _Order | Unknown | None:
        answer = await self._call("GET", f"/v2/checkout/orders/{order_id}", meant=frozenset({_OK, _MISSING}))
        if isinstance(answer, Unknown):
            return answer
        return None if answer.status_code == _MISSING else read(answer.content, _Order)

    async def _moved(self, since: datetime, until: datetime) -> list[_Moved]:
        moved: list[_Moved] = []
        number, pages = 1, 1
        while number <= pages:
            asked = {
                "start_date": since.isoformat(timespec="seconds"),
                "end_date": (until + timedelta(seconds=1)).isoformat(timespec="seconds"),
                "transaction_status": "S",
                "fields": "transaction_info",
                "page_size": _PAGE,
                "page": number,
            }
            answer = await self._call("GET", f"/v1/reporting/transactions?{urlencode(asked)}", meant=frozenset({_OK}))
            page = answer if isinstance(answer, Unknown) else read(answer.content, _Page)
            if isinstance(page, Unknown):
                raise GatewayDown(page.why)
            moved += [detail.transaction_info for detail in page.transaction_details]
            number, pages = number + 1, page.total_pages
        return moved

    async def _call(
        self, method: str, path: str, wanted: object = None, *, key: str | None = None, meant: frozenset[int]
    ) -> httpx.Response | Unknown:
        for _ in range(2):
            token = await self._access.get()
            if isinstance(token, Unknown):
                return token
            headers = {"Authorization": f"Bearer {token}", "Prefer": "return=representation"}
            if key is not None:
                headers["PayPal-Request-Id"] = key
            answer = await self._connection.ask(method, path, json=wanted, headers=headers, meant=meant | {REFUSED})
            if isinstance(answer, Unknown) or answer.status_code != REFUSED:
                return answer
            self._access.forget(token)
        return Unknown("the gateway refuses our credentials")

    async def _fetch_token(self) -> tuple[str, float] | Unknown:
        credentials = base64.b64encode(f"{self._client_id}:{self._secret}".encode()).decode()
        answer = await self._connection.ask(
            "POST",
            "/v1/oauth2/token",
            form={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {credentials}"},
            meant=frozenset({_OK}),
        )
        got = answer if isinstance(answer, Unknown) else read(answer.content, _Access)
        return got if isinstance(got, Unknown) else (got.access_token, got.expires_in - _MARGIN_S)


def _value(amount: Amount) -> dict[str, str] | None:
    """An amount as PayPal wants it; None where it has parts of a unit that PayPal does not take apart."""
    digits = currency_digits(amount.currency)
    if amount.currency in _WHOLE_ONLY and amount.minor % 10**digits:
        return None
    text = str(amount.minor // 10**digits) if amount.currency in _WHOLE_ONLY else major_text(amount.minor, amount.currency)
    return {"currency_code": amount.currency, "value": text}


def _of_refund(payment: PaymentId, refund: RefundId) -> str:
    return f"{payment},{refund}"


def _issue(answer: httpx.Response) -> str:
    problem = read(answer.content, _Problem)
    return "" if isinstance(problem, Unknown) else problem.issue


def _outcome(order: _Order, payment: PaymentId) -> Outcome | None:
    """What an order says of its capture; None where nobody captured yet."""
    if [unit.custom_id for unit in order.purchase_units] != [str(payment)]:
        return Unknown("the gateway has this order for something else")
    captures = [capture for unit in order.purchase_units for capture in unit.payments.captures]
    if captures:
        return _of_capture(captures[-1], order.id)
    return Declined("not_received", order.id) if order.status == "VOIDED" else None


def _of_capture(capture: _Capture, order_id: str | None) -> Outcome:
    match capture.status:
        case "COMPLETED" | "PARTIALLY_REFUNDED":
            return Captured(capture.amount.amount, capture.id)
        case "PENDING":
            return Pending(order_id)
        case "DECLINED" | "FAILED" | "REFUNDED":
            return Declined("declined", capture.id)
        case _:
            return Unknown(f"a capture is {capture.status}")


def _refund_outcome(refund: _Refund) -> RefundOutcome:
    match refund.status:
        case "COMPLETED":
            return Refunded(refund.id)
        case "PENDING":
            return Pending(refund.id)
        case "FAILED" | "CANCELLED":
            return Declined("refund_not_possible", refund.id)
        case _:
            return Unknown(f"a refund is {refund.status}")


def _facts(event: _Event) -> tuple[Fact, ...]:
    match event.event_type:
        case "CHECKOUT.ORDER.APPROVED":
            order = msgspec.json.decode(event.resource, type=_Order)
            approved = [ours(PaymentId, unit.custom_id) for unit in order.purchase_units]
            # Asked for under the order that we know, not under this one: of two orders for one payment only one is captured.
            return tuple(PaymentNews(payment) for payment in approved if payment is not None)
        case "PAYMENT.CAPTURE.COMPLETED" | "PAYMENT.CAPTURE.DENIED" | "PAYMENT.CAPTURE.PENDING":
            capture = msgspec.json.decode(event.resource, type=_Capture)
            payment = ours(PaymentId, capture.custom_id)
            outcome = _of_capture(capture, capture.supplementary_data.related_ids.order_id)
            return (PaymentFact(payment, outcome),) if payment is not None else ()
        case "PAYMENT.CAPTURE.REFUNDED" | "PAYMENT.REFUND.PENDING" | "PAYMENT.REFUND.FAILED":
            refund = msgspec.json.decode(event.resource, type=_Refund)
            marked = ours(RefundId, (refund.custom_id or "").rpartition(",")[2])
            return (RefundFact(marked, _refund_outcome(refund)),) if marked is not None else ()
        case _:
            return ()


def _settled(moved: _Moved) -> SettledItem | None:
    """A movement of ours, or None: others may use the same account, and fees are told in rows of their own."""
    first, _, second = (moved.custom_field or "").partition(",")
    payment, refund = ours(PaymentId, first), ours(RefundId, second)
    amount = moved.transaction_amount.amount
    if payment is None or moved.transaction_status != "S" or (refund is None) != (amount.minor > 0):
        return None
    return SettledItem(
        kind=SettledKind.CAPTURE if refund is None else SettledKind.REFUND,
        id=refund or payment,
        payment=payment,
        amount=Amount(amount.currency, abs(amount.minor)),
        reference=moved.transaction_id,
        at=moved.transaction_initiation_date,
    )
