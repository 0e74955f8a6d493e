"""Paymob in Egypt: cards and mobile wallets, on Paymob's own page. Card numbers never come here.

Shapes, from the Paymob documentation of 2026-06 (developers.paymob.com: Create Intention, Unified Checkout, Transaction Callbacks,
HMAC, Transaction Inquiry, Refund) and, where it is silent, from public integrations with the test system:

- ``POST /v1/intention/`` (``Token`` and the secret key) makes a page; its ``special_reference``, our payment's id, is the
  ``merchant_order_id`` of whatever is paid on it.
- The inquiry by that id wants another key (``api_key``), tells the latest transaction of the order only, and answers 404 as long as
  nobody has tried to pay.
- A callback's HMAC covers twenty fields, and our id is none of them. Payers see the same HMAC in the address that they come back
  to. So a callback proves that something happened to some transaction, not to which payment: it makes us ask, and no more.
- A refund has no idempotency key. What was given back so far (``refunded_amount_cents``) is compared with our books first.

Void (all of it, on the same business day, without a fee) is not used: a refund does for every amount on every day.

Not verified against a live account: whether a second intention may have the same ``special_reference`` (where it may not, a payment
whose first page was lost fails, and the payer begins another), ``expiration`` in seconds, ``card_tokens`` in an intention, the words of
``txn_response_code``, what a refund that is too large is answered with, currencies without two decimals (not taken).
Paymob documents no list of transactions: ``list_settled`` raises, and its settlement files take that place.
"""

import hmac
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import msgspec
from msgspec import Struct

from holdfast.common.money import Amount, currency_digits
from holdfast.payments.gateway import (
    NOTHING_KNOWN,
    Captured,
    Declined,
    ForgedWebhook,
    GatewayDown,
    Known,
    Outcome,
    PaymentNews,
    Pending,
    Refunded,
    RefundOutcome,
    SettledItem,
    Unknown,
    WebhookFact,
)
from holdfast.payments.gateways.connection import REFUSED, TIMEOUT_S, AccessToken, Connection, age, ours, read
from holdfast.payments.models import Method, PaymentId, RefundId

PAGE_LIVES = timedelta(minutes=15)
STRAGGLERS = timedelta(minutes=5)
"""How long after its page has ended a payment may still be under way, at the bank of the payer."""

REFUND_ANSWERS_WITHIN_S = 60.0
"""For so long a refund that was not answered is not sent again: Paymob may still be doing it, and has no key to know it by."""

CARD: Final = "card"
MOBILE_WALLET: Final = "wallet"
_TOKEN_LIVES_S = 50 * 60.0
_NOT_TOLD = "NA"
_DIGITS = 2
_OK, _CREATED, _BAD, _MISSING, _UNFIT = 200, 201, 400, 404, 422

_REASONS = {
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "EXPIRED_CARD": "expired_card",
    "AUTHENTICATION_FAILED": "authentication_failed",
    "NOT_3DSECURE_REGISTERED": "authentication_failed",
    "BLOCKED": "suspected_fraud",
    "REFERRED": "do_not_honor",
    "DECLINED": "do_not_honor",
    "DO_NOT_HONOUR": "do_not_honor",
}


class PaymobKeys(Struct, frozen=True):
    """The four credentials of an account. Only ``public`` may be seen by others."""

    secret: str
    public: str
    hmac: str
    api: str


class Contact(Struct, frozen=True):
    """Paymob wants a phone and an address of each payer. It is given these, of the platform, and learns nothing of payers from us."""

    phone: str
    email: str


class _Intention(Struct, frozen=True):
    id: str
    client_secret: str


class _Token(Struct, frozen=True):
    token: str


class _Order(Struct, frozen=True):
    id: int
    merchant_order_id: str | None = None
    paid_amount_cents: int = 0


class _Source(Struct, frozen=True):
    pan: str | None = None
    sub_type: str | None = None
    type: str | None = None


class _Said(Struct, frozen=True):
    txn_response_code: str | int | None = None


class _Transaction(Struct, frozen=True):
    id: int
    amount_cents: int
    created_at: str
    currency: str
    error_occured: bool
    has_parent_transaction: bool
    integration_id: int
    is_3d_secure: bool
    is_auth: bool
    is_capture: bool
    is_refunded: bool
    is_standalone_payment: bool
    is_voided: bool
    order: _Order
    owner: int
    pending: bool
    source_data: _Source
    success: bool
    refunded_amount_cents: int | None = None
    parent_transaction: int | None = None
    data: _Said = _Said()


class _Callback(Struct, frozen=True):
    type: str
    obj: msgspec.Raw


class _Wrapped(Struct, frozen=True):
    obj: msgspec.Raw = msgspec.Raw(b"")


class _NoList(AsyncIterator[SettledItem]):
    async def __anext__(self) -> SettledItem:
        raise GatewayDown("Paymob documents no list of transactions: read its settlement file")


class PaymobGateway:
    """Our side of Paymob. A source is ``card``, ``wallet``, or the token of a card that Paymob keeps."""

    name = "paymob"

    def __init__(
        self,
        url: str,
        keys: PaymobKeys,
        integrations: Mapping[Method, int],
        contact: Contact,
        *,
        callback_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        refund_answers_within_s: float = REFUND_ANSWERS_WITHIN_S,
    ) -> None:
        """``integrations`` are Paymob's ids of what the account may take. ``callback_url`` is where it tells what happened."""
        self._refund_answers_within_s = refund_answers_within_s
        self._refunds_asked: dict[RefundId, float] = {}
        self.supports = frozenset(integrations)
        self._url = url.rstrip("/")
        self._keys = keys
        self._integrations = integrations
        self._contact = contact
        self._callback_url = callback_url
        self._connection = Connection(self.name, url, timeout_s=timeout_s)
        self._access = AccessToken(self._fetch_token)

    async def close(self) -> None:
        await self._connection.close()

    async def charge(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None, authenticate: bool = False) -> Outcome:
        """A page to pay on. Asked for again, it makes another one, and nobody was shown the first: only the last can be paid on."""
        if currency_digits(amount.currency) != _DIGITS:
            return Declined("currency_not_taken")
        answer = await self._with_secret("POST", "/v1/intention/", self._intention(payment, amount, source, return_url), {_OK, _CREATED})
        made = answer if isinstance(answer, Unknown) else read(answer.content, _Intention)
        if isinstance(made, Unknown):
            return made
        page = f"{self._url}/unifiedcheckout/?publicKey={quote(self._keys.public)}&clientSecret={quote(made.client_secret)}"
        return Pending(made.id, page)

    async def find(self, payment: PaymentId, known: Known = NOTHING_KNOWN) -> Outcome | None:
        """What became of it. Without a reference nobody was ever shown a page, so nobody can have paid."""
        if known.reference is None:
            return None
        found = await (self._transaction(known.reference) if known.reference.isdecimal() else self._latest(payment))
        if found is None:
            return None if age(payment) > PAGE_LIVES + STRAGGLERS else Pending(known.reference)
        if isinstance(found, _Transaction) and found.parent_transaction is not None:
            # The latest of an order may be a refund: what was charged is its parent.
            found = await self._transaction(str(found.parent_transaction))
        if isinstance(found, Unknown):
            return found
        if found.order.merchant_order_id != str(payment):
            return Unknown("the gateway has this transaction for something else")
        return _outcome(found)

    async def refund(self, refund: RefundId, payment: PaymentId, amount: Amount, known: Known = NOTHING_KNOWN) -> RefundOutcome:
        """Give back, where Paymob has given back just what our books say. It is how one knows whether this refund is done already."""
        charged = await self._transaction(known.reference or "")
        if isinstance(charged, Unknown):
            return charged
        outcome = _refund_outcome(charged, payment, amount, known)
        if outcome is not None:
            return outcome
        if self._asked_just_now(refund):
            return Unknown("it was asked for this a moment ago and did not answer")
        wanted = {"transaction_id": charged.id, "amount_cents": amount.minor}
        answer = await self._with_secret("POST", "/api/acceptance/void_refund/refund", wanted, {_OK, _CREATED, _BAD, _UNFIT})
        if isinstance(answer, Unknown):
            return answer
        self._refunds_asked.pop(refund, None)
        return Declined("not_refundable") if answer.status_code in (_BAD, _UNFIT) else _given_back(answer)

    def list_settled(self, since: datetime) -> AsyncIterator[SettledItem]:
        return _NoList()

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[WebhookFact]:
        """Callbacks about cards that Paymob was asked to keep are refused: they carry tokens, and addresses of payers."""
        signature = parse_qs(urlsplit(headers.get(":path", "")).query).get("hmac", [""])[0]
        try:
            callback = msgspec.json.decode(body, type=_Callback)
            transaction = msgspec.json.decode(callback.obj, type=_Transaction)
        except msgspec.MsgspecError as error:
            raise ForgedWebhook from error
        expected = hmac.digest(self._keys.hmac.encode(), _signed(transaction).encode(), "sha512").hex()
        if callback.type != "TRANSACTION" or not hmac.compare_digest(expected.encode(), signature.lower().encode()):
            raise ForgedWebhook
        payment = ours(PaymentId, transaction.order.merchant_order_id)
        # The HMAC is the message's id: it is the same for what is signed, whatever else was changed in it.
        return [WebhookFact(expected, (PaymentNews(payment, str(transaction.id)),) if payment else ())]

    def _intention(self, payment: PaymentId, amount: Amount, source: str, return_url: str | None) -> dict[str, object]:
        wanted: dict[str, object] = {
            "amount": amount.minor,
            "currency": amount.currency,
            "payment_methods": self._methods(source),
            "items": [{"name": str(payment), "amount": amount.minor, "quantity": 1}],
            "billing_data": {
                "first_name": _NOT_TOLD,
                "last_name": _NOT_TOLD,
                "phone_number": self._contact.phone,
                "email": self._contact.email,
            },
            "special_reference": str(payment),
            "expiration": int(PAGE_LIVES.total_seconds()),
        }
        if source not in (CARD, MOBILE_WALLET):
            wanted["card_tokens"] = [source]
        if self._callback_url:
            wanted["notification_url"] = self._callback_url
        if return_url:
            wanted["redirection_url"] = return_url
        return wanted

    def _methods(self, source: str) -> list[int]:
        method = Method.MOBILE_WALLET if source == MOBILE_WALLET else Method.CARD
        return [self._integrations[method]] if method in self._integrations else list(self._integrations.values())

    def _asked_just_now(self, refund: RefundId) -> bool:
        """Whether a refund was sent that may still be under way; else it counts as sent from now on."""
        now = time.monotonic()
        self._refunds_asked = {asked: at for asked, at in self._refunds_asked.items() if now - at < self._refund_answers_within_s}
        return self._refunds_asked.setdefault(refund, now) != now

    async def _latest(self, payment: PaymentId) -> _Transaction | Unknown | None:
        """Also where nothing was paid: None as long as nobody tried."""
        return await self._inquire("POST", "/api/ecommerce/orders/transaction_inquiry", {"merchant_order_id": str(payment)})

    async def _transaction(self, transaction_id: str) -> _Transaction | Unknown:
        if not transaction_id.isdecimal():
            return Unknown("no transaction is known")
        found = await self._inquire("GET", f"/api/acceptance/transactions/{transaction_id}")
        return Unknown("the gateway has not heard of its own transaction") if found is None else found

    async def _inquire(self, method: str, path: str, wanted: object = None) -> _Transaction | Unknown | None:
        for _ in range(2):
            token = await self._access.get()
            if isinstance(token, Unknown):
                return token
            headers = {"Authorization": f"Bearer {token}"}
            answer = await self._connection.ask(method, path, json=wanted, headers=headers, meant=frozenset({_OK, REFUSED, _MISSING}))
            if isinstance(answer, Unknown):
                return answer
            if answer.status_code != REFUSED:
                return None if answer.status_code == _MISSING else _transaction_in(answer)
            self._access.forget(token)
        return Unknown("the gateway refuses our API key")

    async def _fetch_token(self) -> tuple[str, float] | Unknown:
        answer = await self._connection.ask(
            "POST", "/api/auth/tokens", json={"api_key": self._keys.api}, headers={}, meant=frozenset({_OK, _CREATED})
        )
        got = answer if isinstance(answer, Unknown) else read(answer.content, _Token)
        return got if isinstance(got, Unknown) else (got.token, _TOKEN_LIVES_S)

    async def _with_secret(self, method: str, path: str, wanted: object, meant: set[int]) -> httpx.Response | Unknown:
        headers = {"Authorization": f"Token {self._keys.secret}"}
        return await self._connection.ask(method, path, json=wanted, headers=headers, meant=frozenset(meant))


def _transaction_in(answer: httpx.Response) -> _Transaction | Unknown:
    """Some answers are the transaction, others are wrapped as callbacks are: the documentation shows both."""
    wrapped = read(answer.content, _Wrapped)
    if isinstance(wrapped, Unknown):
        return wrapped
    return read(bytes(wrapped.obj) or answer.content, _Transaction)


def _outcome(charged: _Transaction) -> Outcome:
    reference = str(charged.id)
    if charged.pending:
        return Pending()
    if charged.success and not charged.is_voided and (charged.refunded_amount_cents or 0) < charged.amount_cents:
        return Captured(Amount(charged.currency, charged.amount_cents), reference)
    if not charged.success and charged.order.paid_amount_cents > 0:
        return Unknown("the latest attempt failed, and another one of the same order is paid")
    return Declined(_REASONS.get(str(charged.data.txn_response_code), "declined"), reference)


def _refund_outcome(charged: _Transaction, payment: PaymentId, amount: Amount, known: Known) -> RefundOutcome | None:
    """What became of a refund, by what Paymob has given back of the payment in all; None where it is still to be asked for."""
    if charged.order.merchant_order_id != str(payment):
        return Unknown("the gateway has this transaction for something else")
    if known.refunded is None:
        return Unknown("an earlier refund of this payment is not decided yet")
    given_back = charged.refunded_amount_cents or 0
    if given_back == known.refunded + amount.minor:
        return Refunded(str(charged.id))
    if given_back != known.refunded:
        return Unknown(f"the gateway gave back {given_back} and our books say {known.refunded}: somebody has to look")
    if charged.is_voided or given_back + amount.minor > charged.amount_cents or charged.currency != amount.currency:
        return Declined("not_refundable")
    return None


def _given_back(answer: httpx.Response) -> RefundOutcome:
    done = _transaction_in(answer)
    if isinstance(done, Unknown):
        return done
    if done.pending:
        return Pending(str(done.id))
    return Refunded(str(done.id)) if done.success else Declined("refund_not_possible", str(done.id))


def _signed(about: _Transaction) -> str:
    """The twenty fields in Paymob's order, one after the other, as Paymob writes them."""
    fields = (
        about.amount_cents,
        about.created_at,
        about.currency,
        about.error_occured,
        about.has_parent_transaction,
        about.id,
        about.integration_id,
        about.is_3d_secure,
        about.is_auth,
        about.is_capture,
        about.is_refunded,
        about.is_standalone_payment,
        about.is_voided,
        about.order.id,
        about.owner,
        about.pending,
        about.source_data.pan,
        about.source_data.sub_type,
        about.source_data.type,
        about.success,
    )
    return "".join("" if field is None else str(field).lower() if isinstance(field, bool) else str(field) for field in fields)
