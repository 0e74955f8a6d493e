"""A server of our own that speaks the shapes that Paymob documents: intentions, its page, inquiry, refunds, signed callbacks.

What it knows of Paymob's manners: an intention is no transaction yet, so the inquiry answers 404 until somebody tries to pay; the
inquiry tells the latest transaction of an order, and that may be a refund; a refund is known by no key, so asking twice gives back
twice; its callback shows the parent with what was given back in all; and the HMAC, which is in the query, does not cover our id.
"""

import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from tests.gateways.server import Answer, Control, Delivery, GatewayServer, Handler, Mood, Request

INTENTION = "POST /v1/intention/"
INQUIRY = "POST /api/ecommerce/orders/transaction_inquiry"
REFUND = "POST /api/acceptance/void_refund/refund"
TOKEN_LIVES_S = 3600.0
PROFILE = 302852

# In the order that Paymob signs them in.
SIGNED = (
    "amount_cents", "created_at", "currency", "error_occured", "has_parent_transaction", "id", "integration_id", "is_3d_secure",
    "is_auth", "is_capture", "is_refunded", "is_standalone_payment", "is_voided", "order.id", "owner", "pending", "source_data.pan",
    "source_data.sub_type", "source_data.type", "success",
)  # fmt: skip

Thing = dict[str, Any]


def text_to_sign(transaction: Thing) -> str:
    """What Paymob makes its HMAC of."""
    parts = []
    for name in SIGNED:
        value: Any = transaction
        for step in name.split("."):
            value = value[step]
        parts.append(str(value).lower() if isinstance(value, bool) else "" if value is None else str(value))
    return "".join(parts)


class PaymobServer(GatewayServer):
    """``integrations`` are the ids of an account that takes cards and wallets."""

    def __init__(self, secret: str, public: str, hmac_secret: str, api_key: str, integrations: frozenset[int], *, silence_s: float) -> None:
        super().__init__(None, silence_s=silence_s)
        self._secret, self._public, self._hmac_secret, self._api_key = secret, public, hmac_secret, api_key
        self._integrations = integrations
        self._ids = 192_036_465
        self._tokens: dict[str, float] = {}
        self._intentions: dict[str, Thing] = {}
        self._transactions: list[Thing] = []
        self._refund_fails = False
        self._declines: str | None = None
        self.is_wrapped = False
        """Whether a transaction comes inside of ``obj``, as one half of the documentation shows it."""

    def routes(self) -> Mapping[str, Handler]:
        return {
            INTENTION: self._intend,
            "POST /api/auth/tokens": self._token,
            INQUIRY: self._inquire,
            r"GET /api/acceptance/transactions/(?P<id>\d+)": self._read,
            REFUND: self._refund,
        }

    def may_call(self, request: Request) -> Answer | None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if request.path == "/api/auth/tokens":
            return None
        if request.path in ("/v1/intention/", "/api/acceptance/void_refund/refund"):
            is_known = (scheme, token) == ("Token", self._secret)
        else:
            is_known = scheme == "Bearer" and self._tokens.get(token, 0.0) > self.now()
        return None if is_known else Answer(401, {"detail": "incorrect credentials"})

    def error(self, mood: Mood) -> Answer:
        if mood is Mood.TOO_MANY:
            return Answer(429, {"detail": "Request was throttled. Expected available in 1 second."})
        return Answer(500, {"detail": "A server error occurred."})

    def signed(self, body: bytes, *, is_forged: bool) -> Mapping[str, str]:
        """Paymob signs in the query: ``send_webhook`` puts it there."""
        return {}

    # What tests make it do, in the words that all our servers share.

    async def time_out_next_though_done(self, path: str = INTENTION) -> None:
        await self._obey(Control(mood=Mood.SILENT_DONE, path=path))

    async def fail_next_though_done(self, path: str = INTENTION) -> None:
        await self._obey(Control(mood=Mood.ERROR_DONE, path=path))

    async def rate_limit_next(self, path: str = INTENTION) -> None:
        await self._obey(Control(mood=Mood.TOO_MANY, path=path))

    def decline_next(self, word: str = "DECLINED") -> None:
        """The next payer on a page is refused by their bank, in this word."""
        self._declines = word

    async def happens(self, what: str, about: str) -> None:
        """``pay`` on the page ``about``, for whoever drives this server from another process."""
        assert what == "pay"
        self.pay(about)

    def fail_next_refund(self) -> None:
        self._refund_fails = True

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def pay(self, page: str, *, decline: str | None = None, is_pending: bool = False) -> Thing:
        """Be a payer on the page: the transaction that it makes. ``decline`` is the word of the bank."""
        asked = parse_qs(urlsplit(page).query)
        assert asked["publicKey"] == [self._public]
        intention = self._intentions[asked["clientSecret"][0]]
        assert self.now() < intention["expires_at"], "the page has ended"
        decline, self._declines = decline or self._declines, None
        return self._transact(intention["order"], intention["amount"], intention["currency"], decline=decline, is_pending=is_pending)

    def decide(self, transaction: Thing, *, is_paid: bool) -> None:
        """The bank of the payer answers at last."""
        transaction |= {"pending": False, "success": is_paid}
        self._count(transaction)

    def asked_for(self, page: str) -> Thing:
        """The body of the request that made a page."""
        asked: Thing = self._intentions[parse_qs(urlsplit(page).query)["clientSecret"][0]]["asked"]
        return asked

    @property
    def given_back(self) -> list[int]:
        """Every refund that was done, in cents."""
        return [refund["amount_cents"] for refund in self._transactions if refund["parent_transaction"] and refund["success"]]

    def callback(self, transaction: Thing, *, changed: Thing | None = None, secret: str | None = None) -> tuple[dict[str, str], bytes]:
        """A message as Paymob sends it: headers with ``:path``, and the body. ``changed`` is changed after it was signed."""
        signature = hmac.digest((secret or self._hmac_secret).encode(), text_to_sign(transaction).encode(), "sha512").hex()
        body = msgspec.json.encode({"type": "TRANSACTION", "obj": {**transaction, **(changed or {})}})
        return {":path": f"/api/v1/webhooks/gateways/paymob?hmac={signature}"}, body

    async def send_webhook(self, url: str, transaction: Thing, **changes: Any) -> None:
        """Post a callback to us, as often as ``delivery`` says."""
        headers, body = self.callback(transaction, **changes)
        times = {Delivery.NEVER: 0, Delivery.ONCE: 1}.get(self.delivery, 2)
        for _ in range(times):
            await self._deliver(f"{url}?{headers[':path'].partition('?')[2]}", body, {})

    # What it answers.

    def _intend(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body)
        missing = {"amount", "currency", "payment_methods", "billing_data"} - set(asked)
        if missing or not {"first_name", "last_name", "phone_number", "email"} <= set(asked["billing_data"]):
            return Answer(400, {"billing_data": {"phone_number": ["This field is required."]}})
        if not set(asked["payment_methods"]) <= self._integrations:
            return Answer(404, {"detail": "Integration ID/Name does not exist in our system"})
        if asked["amount"] != sum(item["amount"] * item["quantity"] for item in asked.get("items", [])):
            return Answer(400, {"items": ["The amount does not equal the sum of the items."]})
        client_secret = f"egy_csk_test_{secrets.token_hex(16)}"
        order = {"id": self._next(), "merchant_order_id": asked["special_reference"], "paid_amount_cents": 0}
        self._intentions[client_secret] = {
            "asked": asked,
            "order": order,
            "amount": asked["amount"],
            "currency": asked["currency"],
            "expires_at": self.now() + asked["expiration"],
        }
        return Answer(
            201,
            {
                "id": f"pi_test_{secrets.token_hex(16)}",
                "client_secret": client_secret,
                "intention_order_id": order["id"],
                "status": "intended",
            },
        )

    def _token(self, request: Request) -> Answer:
        if msgspec.json.decode(request.body) != {"api_key": self._api_key}:
            return Answer(401, {"detail": "incorrect credentials"})
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.now() + TOKEN_LIVES_S
        return Answer(201, {"token": token, "profile": {"id": PROFILE}})

    def _inquire(self, request: Request) -> Answer:
        wanted = msgspec.json.decode(request.body)["merchant_order_id"]
        found = [transaction for transaction in self._transactions if transaction["order"]["merchant_order_id"] == wanted]
        return self._shown(found[-1]) if found else Answer(404, {"detail": "Not found."})

    def _read(self, request: Request) -> Answer:
        found = self._by_id(int(request.found["id"]))
        return self._shown(found) if found else Answer(404, {"detail": "Not found."})

    def _refund(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body)
        parent = self._by_id(asked["transaction_id"])
        if parent is None:
            return Answer(404, {"detail": "Not found."})
        if not parent["success"] or asked["amount_cents"] + parent["refunded_amount_cents"] > parent["amount_cents"]:
            return Answer(400, {"message": "Full Amount has been refunded"})
        refund = self._transact(parent["order"], asked["amount_cents"], parent["currency"], parent=parent, is_refused=self._refund_fails)
        self._refund_fails = False
        if refund["success"]:
            parent["refunded_amount_cents"] += asked["amount_cents"]
            parent["is_refunded"] = True
        return self._shown(refund, 201)

    def _transact(
        self,
        order: Thing,
        amount: int,
        currency: str,
        *,
        parent: Thing | None = None,
        decline: str | None = None,
        is_pending: bool = False,
        is_refused: bool = False,
    ) -> Thing:
        transaction: Thing = {
            "id": self._next(),
            "pending": is_pending,
            "amount_cents": amount,
            "success": not (decline or is_pending or is_refused),
            "is_auth": False,
            "is_capture": False,
            "is_standalone_payment": True,
            "is_voided": False,
            "is_refunded": False,
            "is_3d_secure": parent is None,
            "integration_id": 4097558,
            "has_parent_transaction": parent is not None,
            "order": order,
            "created_at": datetime.fromtimestamp(self.now(), UTC).replace(tzinfo=None).isoformat(),
            "currency": currency,
            "source_data": {"pan": "2346", "type": "card", "sub_type": "MasterCard"},
            "error_occured": False,
            "refunded_amount_cents": 0,
            "owner": PROFILE,
            "parent_transaction": parent["id"] if parent else None,
            "data": {"message": decline or "Approved", "txn_response_code": decline or "APPROVED"},
        }
        self._transactions.append(transaction)
        self._count(transaction)
        return transaction

    def _count(self, transaction: Thing) -> None:
        if transaction["success"] and not transaction["parent_transaction"]:
            transaction["order"]["paid_amount_cents"] += transaction["amount_cents"]

    def _shown(self, transaction: Thing, status: int = 200) -> Answer:
        return Answer(status, {"type": "TRANSACTION", "obj": transaction} if self.is_wrapped else transaction)

    def _by_id(self, transaction_id: int) -> Thing | None:
        return next((transaction for transaction in self._transactions if transaction["id"] == transaction_id), None)

    def _next(self) -> int:
        self._ids += 1
        return self._ids
