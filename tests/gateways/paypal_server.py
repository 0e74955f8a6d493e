"""A server of our own that speaks the shapes that PayPal documents: tokens, Orders v2, refunds, Transaction Search, signed messages.

What it knows of PayPal's manners: nothing is taken before somebody captures; a request id is remembered for 6 hours (orders) or 45
days (refunds) with its answer, errors too; an order that nobody approved is forgotten; some currencies have no decimals, and many
are not taken; messages are signed with a key whose certificate has to be fetched.
"""

import base64
import secrets
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct
from tests.gateways.server import Answer, Control, Delivery, GatewayServer, Handler, Mood, Request

ORDERS = "POST /v2/checkout/orders"
TOKEN = "POST /v1/oauth2/token"
CERTIFICATE = "/v1/notifications/certs/CERT-360caa42-fca2a594-90621ecd"
ORDER_KEYS_LIVE_S = 6 * 3600.0
REFUND_KEYS_LIVE_S = 45 * 86_400.0
ORDER_LIVES_S = 3 * 3600.0
TOKEN_LIVES_S = 32_400
_WHOLE_ONLY = {"HUF", "JPY", "TWD"}
_TAKEN = {"EUR", "USD", "GBP", *_WHOLE_ONLY}

Thing = dict[str, Any]


class _Kept(Struct, frozen=True):
    ends_at: float
    asked: tuple[str, bytes]
    answer: Answer


class PayPalServer(GatewayServer):
    """``webhook_id`` is what its messages are signed for."""

    def __init__(self, client_id: str, secret: str, webhook_id: str, *, silence_s: float) -> None:
        super().__init__(None, silence_s=silence_s)
        self._basic = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
        self._webhook_id = webhook_id
        self._tokens: set[str] = set()
        self._keys: dict[str, _Kept] = {}
        self._orders: dict[str, Thing] = {}
        self._captures: dict[str, Thing] = {}
        self._moved: list[Thing] = []
        self._declines: str | None = None
        self._refund_status = "COMPLETED"
        self._key = generate_private_key(65537, 2048)
        self._certificate = certificate_of(self._key)
        self.certificates_fetched = 0
        self.captures_asked = 0

    def routes(self) -> Mapping[str, Handler]:
        return {
            TOKEN: self._token,
            ORDERS: self._create,
            r"GET /v2/checkout/orders/(?P<id>\w+)": self._read,
            r"POST /v2/checkout/orders/(?P<id>\w+)/capture": self._capture,
            r"GET /v2/payments/captures/(?P<id>\w+)": self._read_capture,
            r"POST /v2/payments/captures/(?P<id>\w+)/refund": self._refund,
            "GET /v1/reporting/transactions": self._search,
            f"GET {CERTIFICATE}": self._show_certificate,
        }

    def may_call(self, request: Request) -> Answer | None:
        authorization = request.headers.get("authorization", "")
        if request.path.startswith("/v1/notifications/certs/"):
            return None
        if request.path == "/v1/oauth2/token":
            is_known = authorization == f"Basic {self._basic}"
        else:
            is_known = authorization.removeprefix("Bearer ") in self._tokens
        return None if is_known else Answer(401, {"name": "AUTHENTICATION_FAILURE"})

    def error(self, mood: Mood) -> Answer:
        if mood is Mood.TOO_MANY:
            return Answer(429, {"name": "RATE_LIMIT_REACHED", "message": "Too many requests. Blocked due to rate limiting."})
        return Answer(500, {"name": "INTERNAL_SERVER_ERROR"})

    def signed(self, body: bytes, *, is_forged: bool) -> Mapping[str, str]:
        sent, at = secrets.token_hex(16), datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="seconds")
        key = generate_private_key(65537, 2048) if is_forged else self._key
        signature = key.sign(f"{sent}|{at}|{self._webhook_id}|{zlib.crc32(body)}".encode(), PKCS1v15(), SHA256())
        return {
            "paypal-transmission-id": sent,
            "paypal-transmission-time": at,
            "paypal-transmission-sig": base64.b64encode(signature).decode(),
            "paypal-auth-algo": "SHA256withRSA",
        }

    async def answer(self, request: Request, handler: Handler, mood: Mood | None) -> Answer:
        """With the memory of request ids."""
        key = request.headers.get("paypal-request-id")
        if key is None:
            return await super().answer(request, handler, mood)
        kept, asked = self._keys.get(key), (request.path, request.body)
        if kept is not None and kept.ends_at > self.now():
            return kept.answer if kept.asked == asked else _unfit("DUPLICATE_REQUEST_ID")
        done = await super().answer(request, handler, None)
        lives_s = REFUND_KEYS_LIVE_S if request.path.endswith("/refund") else ORDER_KEYS_LIVE_S
        self._keys[key] = _Kept(self.now() + lives_s, asked, done)
        return self.error(mood) if mood is Mood.ERROR_DONE else done

    # What tests make it do, in the words that all our servers share.

    def decline_next(self, issue: str = "INSTRUMENT_DECLINED") -> None:
        self._declines = issue

    async def time_out_next_though_done(self, path: str = ORDERS) -> None:
        await self._obey(Control(mood=Mood.SILENT_DONE, path=path))

    async def fail_next_though_done(self, path: str = ORDERS) -> None:
        await self._obey(Control(mood=Mood.ERROR_DONE, path=path))

    async def rate_limit_next(self, path: str = ORDERS) -> None:
        await self._obey(Control(mood=Mood.TOO_MANY, path=path))

    def refund_next_as(self, status: str) -> None:
        """FAILED, or PENDING."""
        self._refund_status = status

    def approve(self, page: str) -> Thing:
        """Be a payer who says yes on the page."""
        order = self._orders[page.rpartition("token=")[2]]
        assert order["status"] == "PAYER_ACTION_REQUIRED"
        order["status"] = "APPROVED"
        return order

    async def happens(self, what: str, about: str) -> None:
        """``approve`` on the page ``about``, for whoever drives this server from another process."""
        assert what == "approve"
        self.approve(about)

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    def turn_clock(self, by: timedelta) -> None:
        self._clock_s = by.total_seconds()

    @property
    def moved(self) -> list[tuple[str, str]]:
        """What moved, as (currency, value), refunds below zero."""
        return [(info["transaction_amount"]["currency_code"], info["transaction_amount"]["value"]) for info in self._moved]

    def event(self, name: str, resource: Thing) -> bytes:
        """The body of a message."""
        return msgspec.json.encode({"id": f"WH-{secrets.token_hex(12)}", "event_type": name, "resource": resource})

    async def send_webhook(self, url: str, body: bytes, *, certificate_url: str, is_forged: bool = False) -> None:
        """Post a message to us, as often as ``delivery`` says."""
        for _ in range({Delivery.NEVER: 0, Delivery.ONCE: 1}.get(self.delivery, 2)):
            await self._deliver(url, body, {**self.signed(body, is_forged=is_forged), "paypal-cert-url": certificate_url})

    # What it answers.

    def _token(self, request: Request) -> Answer:
        assert request.form == {"grant_type": "client_credentials"}
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return Answer(200, {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIVES_S})

    def _create(self, request: Request) -> Answer:
        asked = msgspec.json.decode(request.body)
        (unit,) = asked["purchase_units"]
        currency, value = unit["amount"]["currency_code"], unit["amount"]["value"]
        if currency not in _TAKEN:
            return _unfit("CURRENCY_NOT_SUPPORTED")
        if currency in _WHOLE_ONLY and "." in value:
            return _unfit("DECIMALS_NOT_SUPPORTED")
        assert asked["intent"] == "CAPTURE"
        order_id = _fresh()
        order = {
            "id": order_id,
            "status": "PAYER_ACTION_REQUIRED",
            "asked": asked,
            "made_at": self.now(),
            "purchase_units": [{"custom_id": unit["custom_id"], "amount": unit["amount"], "payments": {"captures": [], "refunds": []}}],
            "links": [{"href": f"https://www.sandbox.paypal.com/checkoutnow?token={order_id}", "rel": "payer-action", "method": "GET"}],
        }
        self._orders[order_id] = order
        return self._shown(order, 200)

    def _read(self, request: Request) -> Answer:
        order = self._orders.get(request.found["id"])
        if order is None or (order["status"] == "PAYER_ACTION_REQUIRED" and self.now() - order["made_at"] > ORDER_LIVES_S):
            return Answer(404, {"name": "RESOURCE_NOT_FOUND", "details": [{"issue": "INVALID_RESOURCE_ID"}]})
        return self._shown(order, 200)

    def _capture(self, request: Request) -> Answer:
        self.captures_asked += 1
        order = self._orders[request.found["id"]]
        if order["status"] == "COMPLETED":
            return _unfit("ORDER_ALREADY_CAPTURED")
        if order["status"] != "APPROVED":
            return _unfit("ORDER_NOT_APPROVED")
        if self._declines is not None:
            issue, self._declines = self._declines, None
            return _unfit(issue)
        (unit,) = order["purchase_units"]
        capture = {
            "id": _fresh(),
            "status": "COMPLETED",
            "amount": unit["amount"],
            "custom_id": unit["custom_id"],
            "supplementary_data": {"related_ids": {"order_id": order["id"]}},
        }
        unit["payments"]["captures"].append(capture)
        order["status"] = "COMPLETED"
        self._captures[capture["id"]] = capture
        self._move(capture["id"], "T0006", unit["amount"]["currency_code"], unit["amount"]["value"], unit["custom_id"])
        return self._shown(order, 201)

    def _read_capture(self, request: Request) -> Answer:
        capture = self._captures.get(request.found["id"])
        return Answer(200, capture) if capture else Answer(404, {"name": "RESOURCE_NOT_FOUND"})

    def _refund(self, request: Request) -> Answer:
        capture = self._captures[request.found["id"]]
        asked = msgspec.json.decode(request.body)
        order = self._orders[capture["supplementary_data"]["related_ids"]["order_id"]]
        refunds = order["purchase_units"][0]["payments"]["refunds"]
        given_back = sum(Decimal(refund["amount"]["value"]) for refund in refunds if refund["status"] == "COMPLETED")
        if given_back + Decimal(asked["amount"]["value"]) > Decimal(capture["amount"]["value"]):
            return _unfit("REFUND_AMOUNT_EXCEEDED")
        refund = {"id": _fresh(), "status": self._refund_status, "amount": asked["amount"], "custom_id": asked["custom_id"]}
        self._refund_status = "COMPLETED"
        refunds.append(refund)
        if refund["status"] == "COMPLETED":
            self._move(refund["id"], "T1107", asked["amount"]["currency_code"], f"-{asked['amount']['value']}", asked["custom_id"])
        return Answer(201, refund)

    def _search(self, request: Request) -> Answer:
        since, until = (datetime.fromisoformat(request.asked(name) or "") for name in ("start_date", "end_date"))
        if until - since > timedelta(days=31):
            return Answer(400, {"name": "INVALID_REQUEST", "message": "Date range is greater than 31 days"})
        found = [info for info in self._moved if since <= datetime.fromisoformat(info["transaction_initiation_date"]) <= until]
        fee = {**found[0], "transaction_event_code": "T0106", "custom_field": None} if found else None
        rows = [{"transaction_info": info} for info in [*found, *([fee] if fee else [])]]
        size, number = int(request.asked("page_size") or 100), int(request.asked("page") or 1)
        pages = max(1, -(-len(rows) // size))
        return Answer(200, {"transaction_details": rows[(number - 1) * size : number * size], "total_pages": pages, "page": number})

    def _show_certificate(self, _: Request) -> Answer:
        self.certificates_fetched += 1
        return Answer(200, self._certificate.public_bytes(Encoding.PEM))

    def _move(self, transaction_id: str, code: str, currency: str, value: str, custom: str) -> None:
        self._moved.append(
            {
                "transaction_id": transaction_id,
                "transaction_event_code": code,
                "transaction_status": "S",
                "transaction_initiation_date": datetime.fromtimestamp(self.now(), UTC).isoformat(),
                "transaction_amount": {"currency_code": currency, "value": value},
                "custom_field": custom,
            }
        )

    def _shown(self, order: Thing, status: int) -> Answer:
        """As it is now: what is remembered under a request id must not change with the order."""
        return Answer(status, msgspec.json.encode(order))


def certificate_of(key: RSAPrivateKey, *, ended: bool = False) -> x509.Certificate:
    """What PayPal shows of its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "messageverificationcerts.paypal.com")])
    end = datetime.now(UTC) + timedelta(days=-1 if ended else 30)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=60))
        .not_valid_after(end)
        .sign(key, SHA256())
    )


def _fresh() -> str:
    return secrets.token_hex(9)[:17].upper()


def _unfit(issue: str) -> Answer:
    return Answer(422, {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": issue}]})
