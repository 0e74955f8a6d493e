"""A server of our own that speaks the shapes that Stripe documents for API v1: payment intents, refunds, balance transactions, events.

Its payment methods have the names of Stripe's own test cards where there is one. What it knows of Stripe's manners: a key is remembered
for 24 hours with the answer that it got, errors too; lists show the newest first; a decline is an error 402 that carries the intent;
the metadata of an intent is copied to its charge and not to a dispute; some currencies are counted in units of Stripe's own.
"""

import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from tests.gateways.server import Answer, Delivery, GatewayServer, Handler, Mood, Request

KEY_LIVES_S = 24 * 3600.0
AMOUNT_MAX = 99_999_999
PAGE_MAX = 100

Thing = dict[str, Any]

_INTENT_PARAMETERS = {
    "amount", "currency", "payment_method", "allowed_payment_method_types[0]", "capture_method", "confirm", "return_url",
    "metadata[holdfast_payment]", "payment_method_options[card][request_three_d_secure]",
}  # fmt: skip
_REFUND_PARAMETERS = {"payment_intent", "amount", "metadata[holdfast_refund]", "metadata[holdfast_payment]"}
_IN_TENS = {"bhd", "jod", "kwd", "omr", "tnd"}
_IN_HUNDREDS = {"isk", "ugx"}
_CAN_BE_CANCELED = {"requires_payment_method", "requires_confirmation", "requires_action"}


class Card(Struct, frozen=True):
    """What a payment method makes the server do. ``refund`` is how a refund begins, ``refund_later`` what becomes of it."""

    decline_code: str | None = None
    code: str = "card_declined"
    asks_payer: bool = False
    is_late: bool = False
    refund: str = "succeeded"
    refund_later: str | None = None


CARDS = {
    "pm_card_visa": Card(),
    "pm_card_visa_chargeDeclined": Card(decline_code="generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(decline_code="insufficient_funds"),
    "pm_card_chargeDeclinedExpiredCard": Card(decline_code="expired_card", code="expired_card"),
    "pm_card_chargeDeclinedFraudulent": Card(decline_code="fraudulent"),
    "pm_card_authenticationRequired": Card(asks_payer=True),
    "pm_card_pendingRefund": Card(refund="pending", refund_later="succeeded"),
    "pm_card_refundFail": Card(refund="succeeded", refund_later="failed"),
    # Two that Stripe has no test card for.
    "pm_card_processing": Card(is_late=True),
    "pm_card_refundFailsAtOnce": Card(refund="failed"),
}


class _Kept(Struct, frozen=True):
    """What is remembered of a request with a key."""

    at: float
    asked: tuple[str, str, bytes]
    answer: Answer


class StripeServer(GatewayServer):
    """``late_s``: how long takes what happens later."""

    def __init__(
        self, secret_key: str, webhook_secrets: Sequence[str], webhook_url: str | None, *, late_s: float, silence_s: float
    ) -> None:
        super().__init__(webhook_url, silence_s=silence_s)
        self._secret_key = secret_key
        self._webhook_secrets = webhook_secrets
        self._late_s = late_s
        self._keys: dict[str, _Kept] = {}
        self._intents: dict[str, Thing] = {}
        self._charges: dict[str, Thing] = {}
        self._refunds: dict[str, Thing] = {}
        self._movements: dict[str, Thing] = {}
        self._disputes: dict[str, Thing] = {}
        self._hurrying: set[str] = set()
        self._is_empty = False

    def routes(self) -> Mapping[str, Handler]:
        return {
            "POST /v1/payment_intents": self._create_intent,
            "GET /v1/payment_intents": self._list_intents,
            r"GET /v1/payment_intents/(?P<id>\w+)": self._show_intent,
            r"POST /v1/payment_intents/(?P<id>\w+)/cancel": self._cancel_intent,
            "POST /v1/refunds": self._create_refund,
            "GET /v1/refunds": self._list_refunds,
            "GET /v1/balance_transactions": self._list_movements,
            r"POST /authenticate/(?P<id>\w+)": self._authenticate,
        }

    def may_call(self, request: Request) -> Answer | None:
        if request.path.startswith("/authenticate/") or request.headers.get("authorization") == f"Bearer {self._secret_key}":
            return None
        return _refused("Invalid API Key provided", status=401)

    def error(self, mood: Mood) -> Answer:
        if mood is Mood.TOO_MANY:
            return _refused("Too many requests hit the API too quickly.", status=429, code="rate_limit")
        return Answer(500, {"error": {"type": "api_error", "message": "An unknown error occurred"}})

    def signed(self, body: bytes, *, is_forged: bool) -> Mapping[str, str]:
        at = int(time.time())
        used = ["whsec_of_somebody_else"] if is_forged else self._webhook_secrets
        signatures = [hmac.new(secret.encode(), f"{at}.".encode() + body, "sha256").hexdigest() for secret in used]
        return {"Stripe-Signature": ",".join([f"t={at}", *(f"v1={signature}" for signature in signatures), "v0=ignored"])}

    async def answer(self, request: Request, handler: Handler, mood: Mood | None) -> Answer:
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if key is None:
            return await super().answer(request, handler, mood)
        asked = (request.method, request.path, request.body)
        kept = self._keys.get(key)
        if kept is not None and self.now() - kept.at < KEY_LIVES_S:
            if kept.asked != asked:
                return _refused("Keys for idempotent requests can only be used with the same parameters.", type_="idempotency_error")
            return msgspec.structs.replace(kept.answer, headers={"Idempotent-Replayed": "true"})
        answer = await super().answer(request, handler, mood)
        # What does not pass validation is not remembered.
        if answer.status not in (400, 404):
            self._keys[key] = _Kept(self.now(), asked, answer)
        return answer

    async def happens(self, what: str, about: str) -> None:
        """``about`` is our id of a payment.

        ``dispute STATUS``: its payer disputes it, or their bank decides. ``the payer hurries``: they say yes at the moment in which it is
        cancelled. ``the balance is empty`` (or ``full``): refunds are (no longer) refused until there are other sales.
        """
        if what.startswith("the balance is "):
            self._is_empty = what.endswith("empty")
            return
        intent = next(found for found in self._intents.values() if found["metadata"].get("holdfast_payment") == about)
        if what == "the payer hurries":
            self._hurrying.add(intent["id"])
            return
        verb, _, status = what.partition(" ")
        assert verb == "dispute"
        is_new = intent["id"] not in self._disputes
        dispute = self._disputes.setdefault(
            intent["id"],
            {
                "id": _id("dp"),
                "object": "dispute",
                "amount": intent["amount_received"],
                "charge": intent["latest_charge"],
                "currency": intent["currency"],
                "created": int(self.now()),
                "metadata": {},
                "payment_intent": intent["id"],
                "reason": "fraudulent",
            },
        )
        dispute["status"] = status
        is_over = status in ("won", "lost", "warning_closed")
        self._tell("charge.dispute.created" if is_new else "charge.dispute.closed" if is_over else "charge.dispute.updated", dispute)

    def _create_intent(self, request: Request) -> Answer:
        form = request.form
        refused = _unknown(form, _INTENT_PARAMETERS) or _wrong_amount(form)
        if refused is not None:
            return refused
        card = CARDS.get(form["payment_method"])
        if card is None:
            return _refused(f"No such PaymentMethod: '{form['payment_method']}'", code="resource_missing", param="payment_method")
        intent: Thing = {
            "id": _id("pi"),
            "object": "payment_intent",
            "amount": int(form["amount"]),
            "amount_received": 0,
            "cancellation_reason": None,
            "capture_method": form["capture_method"],
            "client_secret": "pi_secret_of_the_payer",
            "created": int(self.now()),
            "currency": form["currency"],
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": _metadata(form),
            "next_action": None,
            "payment_method": form["payment_method"],
            "status": "requires_confirmation",
        }
        self._intents[intent["id"]] = intent
        self._tell("payment_intent.created", intent)
        if card.decline_code is not None:
            return self._decline(intent, card.code, card.decline_code)
        if card.asks_payer:
            intent["status"] = "requires_action"
            intent["next_action"] = self._next_action(request, intent["id"], form.get("return_url"))
        elif card.is_late:
            intent["status"] = "processing"
            self.later(self._late_s, lambda: self._capture(intent))
        else:
            self._capture(intent)
        return Answer(200, dict(intent))

    def _next_action(self, request: Request, intent_id: str, return_url: str | None) -> Thing:
        if return_url is None:
            return {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
        url = f"http://{request.headers['host']}/authenticate/{intent_id}"
        return {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url}}

    def _capture(self, intent: Thing) -> None:
        charge: Thing = {
            "id": _id("ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": intent["amount"],
            "amount_refunded": 0,
            "created": int(self.now()),
            "currency": intent["currency"],
            "metadata": dict(intent["metadata"]),
            "payment_intent": intent["id"],
            "status": "succeeded",
        }
        self._charges[charge["id"]] = charge
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "next_action": None,
            "last_payment_error": None,
        }
        self._move("charge", charge["id"], charge["amount"], charge["currency"])
        self._tell("charge.succeeded", charge)
        self._tell("payment_intent.succeeded", intent)

    def _decline(self, intent: Thing, code: str, decline_code: str | None) -> Answer:
        error = {"type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined."}
        intent |= {"status": "requires_payment_method", "last_payment_error": error, "next_action": None, "payment_method": None}
        self._tell("payment_intent.payment_failed", intent)
        return Answer(402, {"error": {**error, "payment_intent": dict(intent)}})

    def _show_intent(self, request: Request) -> Answer:
        intent = self._intents.get(request.found["id"])
        return Answer(200, dict(intent)) if intent else _refused("No such payment_intent", status=404, code="resource_missing")

    def _cancel_intent(self, request: Request) -> Answer:
        intent = self._intents[request.found["id"]]
        if intent["id"] in self._hurrying:
            self._capture(intent)
        if intent["status"] not in _CAN_BE_CANCELED:
            return _refused("You cannot cancel this PaymentIntent because of its status.", code="payment_intent_unexpected_state")
        intent |= {"status": "canceled", "cancellation_reason": request.form.get("cancellation_reason"), "next_action": None}
        self._tell("payment_intent.canceled", intent)
        return Answer(200, dict(intent))

    def _authenticate(self, request: Request) -> Answer:
        """The payer's answer on the page of their bank: ``decision`` is ``approve`` or ``decline``."""
        intent = self._intents[request.found["id"]]
        if intent["status"] != "requires_action":
            return _refused("This payment is decided.", status=410)
        return_url = intent["next_action"]["redirect_to_url"]["return_url"]
        if request.form["decision"] == "approve":
            self._capture(intent)
        else:
            self._decline(intent, "payment_intent_authentication_failure", None)
        return Answer(303, b"", {"location": return_url})

    def _list_intents(self, request: Request) -> Answer:
        return self._listed(request, self._intents)

    def _create_refund(self, request: Request) -> Answer:
        form = request.form
        refused = _unknown(form, _REFUND_PARAMETERS)
        if refused is not None:
            return refused
        intent = self._intents.get(form["payment_intent"])
        if intent is None or intent["latest_charge"] is None:
            return _refused("This PaymentIntent does not have a successful charge to refund.")
        charge = self._charges[intent["latest_charge"]]
        left, amount = charge["amount_captured"] - charge["amount_refunded"], int(form["amount"])
        if left == 0:
            return _refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if amount > left:
            return _refused(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", param="amount")
        if self._is_empty:
            return _refused("Insufficient funds in your Stripe balance to refund this amount.", code="balance_insufficient")
        card = CARDS[intent["payment_method"]]
        refund: Thing = {
            "id": _id("re"),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": int(self.now()),
            "currency": charge["currency"],
            "metadata": _metadata(form),
            "payment_intent": intent["id"],
            "status": "pending",
        }
        self._refunds[refund["id"]] = refund
        self._tell("refund.created", refund)
        self._decide_refund(refund, card.refund)
        if card.refund_later is not None:
            becomes = card.refund_later
            self.later(self._late_s, lambda: self._decide_refund(refund, becomes))
        return Answer(200, dict(refund))

    def _decide_refund(self, refund: Thing, status: str) -> None:
        charge, before = self._charges[refund["charge"]], refund["status"]
        refund["status"] = status
        if status == "succeeded":
            charge["amount_refunded"] += refund["amount"]
            self._move("refund", refund["id"], -refund["amount"], refund["currency"])
            self._tell("charge.refunded", charge)
            self._tell("refund.updated", refund)
        elif status == "failed":
            refund["failure_reason"] = "expired_or_canceled_card"
            if before == "succeeded":
                charge["amount_refunded"] -= refund["amount"]
                self._move("refund_failure", refund["id"], refund["amount"], refund["currency"])
            self._tell("refund.failed", refund)

    def _list_refunds(self, request: Request) -> Answer:
        asked = request.asked("payment_intent")
        return self._listed(request, {key: refund for key, refund in self._refunds.items() if asked in (None, refund["payment_intent"])})

    def _list_movements(self, request: Request) -> Answer:
        page = self._listed(request, self._movements)
        if request.asked("expand[0]") != "data.source":
            return page
        assert isinstance(page.content, dict)
        sources = {**self._charges, **self._refunds}
        expanded = [{**movement, "source": dict(sources[movement["source"]])} for movement in page.content["data"]]
        return Answer(200, {**page.content, "data": expanded})

    def _move(self, type_: str, source: str, amount: int, currency: str) -> None:
        movement_id = _id("txn")
        self._movements[movement_id] = {
            "id": movement_id,
            "object": "balance_transaction",
            "amount": amount,
            "created": int(self.now()),
            "currency": currency,
            "fee": 0,
            "net": amount,
            "source": source,
            "type": type_,
        }

    def _listed(self, request: Request, things: Mapping[str, Thing]) -> Answer:
        """A page, the newest first."""
        known = {"created[gte]", "created[lte]", "limit", "starting_after", "payment_intent", "expand[0]"}
        refused = _unknown(dict(request.query), known)
        if refused is not None:
            return refused
        least, most = float(request.asked("created[gte]") or 0), float(request.asked("created[lte]") or "inf")
        found = [thing for thing in reversed(list(things.values())) if least <= thing["created"] <= most]
        after, limit = request.asked("starting_after"), min(int(request.asked("limit") or 10), PAGE_MAX)
        begin = next((place + 1 for place, thing in enumerate(found) if thing["id"] == after), 0)
        page = [dict(thing) for thing in found[begin : begin + limit]]
        return Answer(200, {"object": "list", "url": request.path, "has_more": len(found) > begin + limit, "data": page})

    def _tell(self, type_: str, thing: Thing) -> None:
        """Send an event as often as ``delivery`` says."""
        event_id = _id("evt")
        event = {
            "id": event_id,
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(self.now()),
            "data": {"object": dict(thing)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
        if self.delivery is Delivery.NEVER:
            return
        if self.delivery is Delivery.AFTER_A_FORGED_ONE and type_ == "payment_intent.payment_failed":
            taken = {**thing, "status": "succeeded", "amount_received": thing["amount"], "last_payment_error": None}
            forged = {**event, "id": _id("evt"), "type": "payment_intent.succeeded", "data": {"object": taken}}
            self.tell(msgspec.json.encode(forged), is_forged=True)
        self.tell(msgspec.json.encode(event))
        if self.delivery is Delivery.TWICE_AND_UNDER_ANOTHER_ID:
            self.tell(msgspec.json.encode(event))
            self.tell(msgspec.json.encode({**event, "id": _id("evt")}))


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def _metadata(form: Mapping[str, str]) -> dict[str, str]:
    return {name[len("metadata[") : -1]: value for name, value in form.items() if name.startswith("metadata[")}


def _unknown(given: Mapping[str, str], known: set[str]) -> Answer | None:
    """Stripe refuses parameters that it does not know."""
    unknown = sorted(set(given) - known)
    return _refused(f"Received unknown parameter: {unknown[0]}", code="parameter_unknown", param=unknown[0]) if unknown else None


def _wrong_amount(form: Mapping[str, str]) -> Answer | None:
    amount, currency = int(form["amount"]), form["currency"]
    step = 10 if currency in _IN_TENS else 100 if currency in _IN_HUNDREDS else 1
    if not currency.islower() or amount % step:
        return _refused("Invalid amount.", code="parameter_invalid_integer", param="amount")
    if amount > AMOUNT_MAX:
        return _refused("Amount must be no more than 999,999.99.", code="amount_too_large", param="amount")
    return None


def _refused(
    message: str, *, status: int = 400, code: str | None = None, param: str | None = None, type_: str = "invalid_request_error"
) -> Answer:
    error = {"type": type_, "message": message} | ({"code": code} if code else {}) | ({"param": param} if param else {})
    return Answer(status, {"error": error})
