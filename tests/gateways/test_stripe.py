"""What is Stripe's own: its clock and keys, its units, its payers who never come back, its disputes, its signatures."""

import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateways.rig import Behaviour, Post, aged
from tests.gateways.server import Control, Delivery, Mood, control
from tests.gateways.stripe_rig import CHARGE, SECRET_KEY, WEBHOOK_SECRET, StripeRig
from tests.payments.till import TIMEOUT_S, until
from tests.servers import serving

from holdfast.common.money import Amount, egp
from holdfast.database import Database, NetworkInsideTransaction
from holdfast.payments.gateway import (
    Captured,
    Declined,
    DeclineReason,
    DisputeFact,
    DisputeStatus,
    ForgedWebhook,
    GatewayDown,
    Pending,
    Refunded,
    RefundFact,
    SettledItem,
    Unknown,
)
from holdfast.payments.gateways import stripe as stripe_gateway
from holdfast.payments.gateways.stripe import PAYER_WITHIN_S, TOLERANCE_S, StripeGateway
from holdfast.payments.models import PaymentId, RefundId

RETURN_URL = "https://holdfast.example/paid"
VISA, ASKS_PAYER = "pm_card_visa", "pm_card_authenticationRequired"


class Says(Post):
    """A server that says the same to everything."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.status = status
        self.body = body

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": self.body})


@asynccontextmanager
async def connected(url: str, *, secret_key: str = SECRET_KEY) -> AsyncIterator[StripeGateway]:
    gateway = StripeGateway(secret_key, [WEBHOOK_SECRET], api_base=url, timeout_s=TIMEOUT_S)
    try:
        yield gateway
    finally:
        await gateway.close()


async def moved(stripe: StripeRig) -> list[SettledItem]:
    return [item async for item in stripe.gateway.list_settled(datetime(2020, 1, 1, tzinfo=UTC))]


@pytest.mark.parametrize("guard", ["guarded", "control"])
async def test_without_looking_first_a_forgotten_key_takes_twice(stripe: StripeRig, guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """F-05. The control proves that the server forgets keys, so that it is the look that saves us."""
    if guard == "control":
        monkeypatch.setattr(stripe_gateway, "KEY_KEPT_FOR_S", float("inf"))
    payment = aged(timedelta(hours=25))
    await stripe.turn_clock(-timedelta(hours=25))
    await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    await stripe.turn_clock(timedelta())
    await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    assert len(await moved(stripe)) == (1 if guard == "guarded" else 2)


async def test_an_error_is_replayed_for_a_day_and_the_truth_found_all_the_same(stripe: StripeRig) -> None:
    """F-04: Stripe keeps the 500 under our key."""
    payment, source = PaymentId.new(), await stripe.source(Behaviour.ERROR_DONE)
    for _ in range(3):
        assert await stripe.gateway.charge(payment, egp(31), source, RETURN_URL) == Unknown("answered with status 500: APIError")
    assert isinstance(await stripe.gateway.find(payment), Captured)
    assert len(await moved(stripe)) == 1


async def test_a_payment_is_found_among_more_than_a_page_of_others(stripe: StripeRig) -> None:
    await control(stripe.url, Control(delivery=Delivery.NEVER))
    payments = [PaymentId.new() for _ in range(105)]
    for payment in payments:
        await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    for payment in (payments[0], payments[50], payments[-1]):
        assert isinstance(await stripe.gateway.find(payment), Captured)
    assert [item.id for item in await moved(stripe)] == payments


async def test_a_payment_that_was_charged_long_after_its_id_was_made_is_found(stripe: StripeRig) -> None:
    payment = aged(timedelta(minutes=10))
    outcome = await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    assert await stripe.gateway.find(payment) == outcome


async def test_the_payer_comes_back_to_us_from_their_bank(stripe: StripeRig) -> None:
    payment = PaymentId.new()
    outcome = await stripe.gateway.charge(payment, egp(31), ASKS_PAYER, RETURN_URL)
    assert isinstance(outcome, Pending)
    assert outcome.next_action is not None
    assert await stripe.decide(outcome.next_action, "decline") == RETURN_URL
    declined = await stripe.gateway.find(payment)
    assert isinstance(declined, Declined)
    assert DeclineReason.of(declined.reason) is DeclineReason.AUTHENTICATION_FAILED
    assert await moved(stripe) == []


async def test_a_payer_who_does_not_come_back_loses_their_turn_and_can_pay_no_more(stripe: StripeRig) -> None:
    ago = timedelta(seconds=PAYER_WITHIN_S + 5)
    payment = aged(ago)
    await stripe.turn_clock(-ago)
    outcome = await stripe.gateway.charge(payment, egp(31), ASKS_PAYER, RETURN_URL)
    await stripe.turn_clock(timedelta())
    assert isinstance(outcome, Pending)
    assert outcome.next_action is not None
    found = await stripe.gateway.find(payment)
    assert found == Declined("abandoned", outcome.reference)
    assert DeclineReason.of(found.reason) is DeclineReason.AUTHENTICATION_FAILED
    with pytest.raises(AssertionError):
        await stripe.decide(outcome.next_action, "approve")
    assert await moved(stripe) == []


async def test_a_payer_who_says_yes_at_the_last_moment_has_paid(stripe: StripeRig) -> None:
    ago = timedelta(seconds=PAYER_WITHIN_S + 5)
    payment = aged(ago)
    await stripe.turn_clock(-ago)
    await stripe.gateway.charge(payment, egp(31), ASKS_PAYER, RETURN_URL)
    await stripe.turn_clock(timedelta())
    await stripe.happens("the payer hurries", str(payment))
    assert isinstance(await stripe.gateway.find(payment), Captured)
    assert len(await moved(stripe)) == 1


async def test_a_payer_has_their_time(stripe: StripeRig) -> None:
    payment = PaymentId.new()
    outcome = await stripe.gateway.charge(payment, egp(31), ASKS_PAYER, RETURN_URL)
    assert await stripe.gateway.find(payment) == outcome


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_visa_chargeDeclined", DeclineReason.DECLINED_BY_ISSUER),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", DeclineReason.INSUFFICIENT_FUNDS),
        ("pm_card_chargeDeclinedExpiredCard", DeclineReason.CARD_EXPIRED),
        ("pm_card_chargeDeclinedFraudulent", DeclineReason.SUSPECTED_FRAUD),
        ("pm_that_nobody_made", DeclineReason.OTHER),
    ],
)
async def test_a_decline_has_a_reason_in_our_words(stripe: StripeRig, card: str, reason: DeclineReason) -> None:
    outcome = await stripe.gateway.charge(PaymentId.new(), egp(31), card, RETURN_URL)
    assert isinstance(outcome, Declined)
    assert DeclineReason.of(outcome.reason) is reason


@pytest.mark.parametrize(
    "amount", [Amount("ISK", 5), Amount("UGX", 1_200), Amount("MGA", 300), Amount("HUF", 199), Amount("LYD", 1_230)], ids=str
)
async def test_amounts_in_units_of_stripes_own_are_taken_and_told_exactly(stripe: StripeRig, amount: Amount) -> None:
    payment, refund = PaymentId.new(), RefundId.new()
    outcome = await stripe.gateway.charge(payment, amount, VISA, RETURN_URL)
    assert isinstance(outcome, Captured)
    assert outcome.amount == amount
    assert isinstance(await stripe.gateway.refund(refund, payment, amount), Refunded)
    assert [item.amount for item in await moved(stripe)] == [amount, amount]


@pytest.mark.parametrize("amount", [Amount("KWD", 1_234), Amount("MGA", 150), Amount("LYD", 1_234)], ids=str)
async def test_an_amount_that_stripe_cannot_take_is_declined_and_never_rounded(stripe: StripeRig, amount: Amount) -> None:
    payment = PaymentId.new()
    assert await stripe.gateway.charge(payment, amount, VISA, RETURN_URL) == Declined("invalid_amount")
    assert await stripe.gateway.find(payment) is None


@settings(deadline=None)
@given(st.sampled_from(["EGP", "USD", "JPY", "KWD", "ISK", "UGX", "MGA", "LYD", "BHD", "TND"]), st.integers(1, 10**12))
def test_no_amount_changes_on_its_way_to_stripe_and_back(currency: str, minor: int) -> None:
    amount = Amount(currency, minor)
    counted = stripe_gateway._to_stripe(amount)
    assert counted is None or stripe_gateway._from_stripe(counted, currency.lower()) == amount


async def test_a_refund_that_fails_days_later_is_told(stripe: StripeRig) -> None:
    payment, refund = PaymentId.new(), RefundId.new()
    await stripe.gateway.charge(payment, egp(31), "pm_card_refundFail", RETURN_URL)
    outcome = await stripe.gateway.refund(refund, payment, egp(31))
    assert isinstance(outcome, Refunded)
    failed = Declined("expired_or_canceled_card", outcome.reference)
    await stripe.is_told(RefundFact(refund, failed))
    assert await stripe.gateway.refund(refund, payment, egp(31)) == failed
    assert [item.id for item in await moved(stripe)] == [payment]


async def test_a_refund_waits_while_our_balance_at_stripe_is_empty(stripe: StripeRig) -> None:
    payment, refund = PaymentId.new(), RefundId.new()
    await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    await stripe.happens("the balance is empty", "")
    assert await stripe.gateway.refund(refund, payment, egp(31)) == Unknown("answered with status 400: balance_insufficient")
    await stripe.happens("the balance is full", "")
    assert isinstance(await stripe.gateway.refund(refund, payment, egp(31)), Refunded)


async def test_a_refund_of_what_stripe_has_not_heard_of_is_unknown(stripe: StripeRig) -> None:
    assert isinstance(await stripe.gateway.refund(RefundId.new(), PaymentId.new(), egp(1)), Unknown)


async def test_a_dispute_is_told_under_the_reference_of_the_payment(stripe: StripeRig) -> None:
    payment = PaymentId.new()
    outcome = await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    assert isinstance(outcome, Captured)

    def told() -> list[DisputeFact]:
        return [fact for fact in stripe.facts() if isinstance(fact, DisputeFact)]

    stages = ["needs_response", "under_review", "lost", "won", "warning_closed"]
    for number, stage in enumerate(stages, 1):
        await stripe.happens(f"dispute {stage}", str(payment))

        async def is_told(number: int = number) -> bool:
            return len(told()) == number

        await until(is_told)
    assert [fact.status for fact in told()] == [
        DisputeStatus.OPENED,
        DisputeStatus.OPENED,
        DisputeStatus.LOST,
        DisputeStatus.WON,
        DisputeStatus.WON,
    ]
    first = told()[0]
    assert first == DisputeFact(None, outcome.reference, first.dispute_id, egp(31), DisputeStatus.OPENED, "fraudulent")
    assert {fact.dispute_id for fact in told()} == {first.dispute_id}


async def test_it_asks_once_for_the_worker_knows_how_to_ask_again() -> None:
    post = Post()
    async with serving(post) as url, connected(url) as gateway:
        assert isinstance(await gateway.charge(PaymentId.new(), egp(31), VISA, None), Unknown)
    assert len(post.messages) == 1


@pytest.mark.parametrize("status", [200, 402, 500])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b"{}", b'{"object": "list"}', b'{"error": null}', b'{"error": "no"}', b"\xff"])
async def test_an_answer_that_makes_no_sense_is_never_believed_and_raises_nothing(status: int, body: bytes) -> None:
    async with serving(Says(status, body)) as url, connected(url) as gateway:
        assert isinstance(await gateway.charge(PaymentId.new(), egp(31), VISA, None), Unknown)
        assert isinstance(await gateway.find(PaymentId.new()), Unknown)
        assert isinstance(await gateway.refund(RefundId.new(), PaymentId.new(), egp(31)), Unknown)
        with pytest.raises(GatewayDown):
            await anext(aiter(gateway.list_settled(datetime.now(UTC))))


async def test_a_page_that_promises_more_and_has_nothing_ends() -> None:
    async with serving(Says(200, b'{"object": "list", "data": [], "has_more": true}')) as url, connected(url) as gateway:
        assert isinstance(await gateway.find(PaymentId.new()), Unknown)
        with pytest.raises(GatewayDown):
            await anext(aiter(gateway.list_settled(datetime.now(UTC))))


async def test_a_wrong_secret_key_is_unknown_and_not_told(stripe: StripeRig) -> None:
    async with connected(stripe.url, secret_key="sk_test_of_somebody_else") as gateway:
        outcome = await gateway.charge(PaymentId.new(), egp(31), VISA, RETURN_URL)
    assert outcome == Unknown("answered with status 401: AuthenticationError")


async def test_nothing_is_asked_while_rows_are_locked(stripe: StripeRig, database: Database) -> None:
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await stripe.gateway.find(PaymentId.new())


@pytest.mark.parametrize("mood", [Mood.SILENT_NOT_DONE, Mood.CUT_DONE, Mood.NONSENSE_DONE, Mood.TOO_MANY, Mood.ERROR_NOT_DONE])
async def test_a_list_that_fails_is_no_proof_that_nothing_is_there(stripe: StripeRig, mood: Mood) -> None:
    payment = PaymentId.new()
    await stripe.gateway.charge(payment, egp(31), VISA, RETURN_URL)
    await control(stripe.url, Control(mood=mood, path=CHARGE.replace("POST", "GET")))
    assert isinstance(await stripe.gateway.find(payment), Unknown)
    assert isinstance(await stripe.gateway.find(payment), Captured)


BODY = msgspec.json.encode({"id": "evt_1", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus_1"}}})


def signed(body: bytes, secrets: Sequence[str], *, ago_s: int = 0, scheme: str = "v1") -> dict[str, str]:
    at = int(time.time()) - ago_s
    parts = [f"{scheme}={hmac.new(secret.encode(), f'{at}.'.encode() + body, 'sha256').hexdigest()}" for secret in secrets]
    return {"stripe-signature": ",".join([f"t={at}", *parts])}


def gateway_of(*webhook_secrets: str) -> StripeGateway:
    return StripeGateway(SECRET_KEY, webhook_secrets)


def test_while_secrets_are_rotated_either_is_believed() -> None:
    ours = gateway_of("whsec_new", "whsec_old")
    for used in (["whsec_new"], ["whsec_old"], ["whsec_elsewhere", "whsec_old"]):
        (message,) = ours.read_webhook(signed(BODY, used), BODY)
        assert (message.event_id, message.facts) == ("evt_1", ())


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(BODY, ["whsec_elsewhere"]), BODY),
        (signed(BODY, ["whsec_old"], ago_s=TOLERANCE_S + 60), BODY),
        (signed(BODY, ["whsec_old"], scheme="v0"), BODY),
        (signed(BODY, []), BODY),
        (signed(BODY, ["whsec_old"]), BODY.replace(b"evt_1", b"evt_2")),
        (signed(BODY, ["whsec_old"]), b"\xff" + BODY),
        (signed(b"no JSON", ["whsec_old"]), b"no JSON"),
        ({"stripe-signature": f"t={int(time.time())},v1=\xe9"}, BODY),
        ({"stripe-signature": f"t={'9' * 5000},v1=00"}, BODY),
        ({"stripe-signature": "nonsense"}, BODY),
        ({"stripe-signature": ""}, BODY),
        ({}, BODY),
    ],
)
def test_what_is_not_signed_by_stripe_just_now_is_forged(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(ForgedWebhook):
        gateway_of("whsec_new", "whsec_old").read_webhook(headers, body)


def told(type_: str, thing: dict[str, object]) -> tuple[object, ...]:
    body = msgspec.json.encode({"id": "evt_1", "type": type_, "data": {"object": thing}})
    (message,) = gateway_of(WEBHOOK_SECRET).read_webhook(signed(body, [WEBHOOK_SECRET]), body)
    return message.facts


def test_a_charge_tells_of_its_refunds_where_an_older_version_of_the_api_lists_them() -> None:
    refund = RefundId.new()
    ours = {"id": "re_1", "status": "succeeded", "amount": 1000, "currency": "egp", "metadata": {"holdfast_refund": str(refund)}}
    charge = {"amount_captured": 3100, "currency": "egp", "metadata": {}, "refunds": {"data": [ours, {**ours, "metadata": {}}]}}
    assert told("charge.refunded", charge) == (RefundFact(refund, Refunded("re_1")),)
    assert told("charge.refunded", {**charge, "refunds": None}) == ()


@pytest.mark.parametrize("mine", [{}, {"holdfast_payment": "order 17"}, {"holdfast_payment": str(RefundId.new())}])
def test_what_others_do_with_the_same_account_says_nothing(mine: dict[str, str]) -> None:
    intent = {"id": "pi_1", "status": "succeeded", "created": 1, "amount_received": 5, "currency": "egp", "metadata": mine}
    assert told("payment_intent.succeeded", intent) == ()


def test_an_event_in_words_that_are_not_known_is_kept_and_says_nothing() -> None:
    assert told("payment_intent.succeeded", {"id": "pi_1"}) == ()


_NAMES = st.sampled_from(["object", "metadata", "status", "amount", "refunds"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.sampled_from(["payment_intent.succeeded", "charge.refunded", "refund.failed", "charge.dispute.created", "a.b.c.d", ""]),
    st.dictionaries(st.sampled_from(["id", "metadata", "status", "amount", "currency", "created", "amount_received", "reason"]), _JSON),
)
def test_whatever_stripe_signs_is_kept(type_: str, thing: dict[str, object]) -> None:
    body = msgspec.json.encode({"id": "evt_1", "type": type_, "data": {"object": thing}})
    (message,) = gateway_of(WEBHOOK_SECRET).read_webhook(signed(body, [WEBHOOK_SECRET]), body)
    assert message.event_id == "evt_1"


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_what_is_signed_and_no_event_is_forged(body: bytes) -> None:
    with pytest.raises(ForgedWebhook):
        gateway_of(WEBHOOK_SECRET).read_webhook(signed(body, [WEBHOOK_SECRET]), body)
