"""PayPal, against the server of our own in ``paypal_server.py`` that speaks the documented shapes. Nothing here ran against PayPal."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from tests.gateways.counter import open_counter
from tests.gateways.paypal_server import CERTIFICATE, TOKEN, PayPalServer, Thing
from tests.gateways.server import Control, Delivery, Mood, control
from tests.payments.test_refunds import give_back
from tests.payments.till import SOLD, Till, fresh_key, until
from tests.payments.till import Thing as Sold
from tests.servers import serving

from holdfast.common.actor import Actor, Role
from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.payments.gateway import (
    Captured,
    Declined,
    ForgedWebhook,
    GatewayDown,
    Known,
    Pending,
    Refunded,
    SettledKind,
    Unknown,
)
from holdfast.payments.gateways.paypal import APPROVED_WITHIN, CERTIFICATE_FETCHES_MAX, REFUND_KEYS_LIVE, PayPalGateway
from holdfast.payments.models import Method, Payment, PaymentId, RefundId
from holdfast.payments.states import PaymentState, RefundState

CLIENT, SECRET, WEBHOOK_ID = "client of nobody", "secret of nobody", "WH-OF-OURS"
RETURN_URL = "https://holdfast.example/paid"
TIMEOUT_S, SILENCE_S = 1.0, 2.0
EUROS = Amount("EUR", 3100)


@dataclass
class PayPal:
    """The gateway, and the other side that it talks to."""

    gateway: PayPalGateway
    server: PayPalServer
    url: str

    async def order(self, amount: Amount = EUROS, payment: PaymentId | None = None) -> tuple[PaymentId, Pending]:
        payment = payment or PaymentId.new()
        outcome = await self.gateway.charge(payment, amount, "paypal", RETURN_URL)
        assert isinstance(outcome, Pending)
        return payment, outcome

    async def captured(self, amount: Amount = EUROS) -> tuple[PaymentId, Captured]:
        payment, shown = await self.order(amount)
        self.server.approve(shown.next_action or "")
        outcome = await self.gateway.find(payment, Known(shown.reference))
        assert isinstance(outcome, Captured)
        return payment, outcome

    @property
    def certificate_url(self) -> str:
        return f"{self.url}{CERTIFICATE}"

    def message(self, name: str, resource: Thing, *, is_forged: bool = False) -> tuple[dict[str, str], bytes]:
        body = self.server.event(name, resource)
        return {**self.server.signed(body, is_forged=is_forged), "paypal-cert-url": self.certificate_url}, body


@pytest.fixture
async def paypal() -> AsyncIterator[PayPal]:
    server = PayPalServer(CLIENT, SECRET, WEBHOOK_ID, silence_s=SILENCE_S)
    async with serving(server) as url:
        gateway = PayPalGateway(url, CLIENT, SECRET, WEBHOOK_ID, timeout_s=TIMEOUT_S)
        yield PayPal(gateway, server, url)
        await gateway.close()


def long_ago(by: timedelta) -> int:
    """The bits of an id that was made so long ago."""
    return int((datetime.now(UTC) - by).timestamp() * 1000) << 80 | PaymentId.new().int & (1 << 80) - 1


async def test_what_was_approved_is_captured_by_asking_and_only_once(paypal: PayPal) -> None:
    payment, shown = await paypal.order()
    known = Known(shown.reference)
    assert await paypal.gateway.find(payment, known) == shown
    assert paypal.server.moved == []
    paypal.server.approve(shown.next_action or "")
    outcomes = await asyncio.gather(*(paypal.gateway.find(payment, known) for _ in range(10)))
    taken = [outcome for outcome in outcomes if isinstance(outcome, Captured)]
    assert set(taken) == {Captured(EUROS, taken[0].reference)}
    assert await paypal.gateway.find(payment, known) == taken[0]
    assert paypal.server.moved == [("EUR", "31.00")]


async def test_it_is_driven_from_another_process_too(paypal: PayPal) -> None:
    payment, shown = await paypal.order()
    await control(paypal.url, Control(happens="approve", about=shown.next_action or ""))
    await control(paypal.url, Control(mood=Mood.TOO_MANY, path=f"POST /v2/checkout/orders/{shown.reference}/capture"))
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Unknown)
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Captured)


async def test_what_the_payer_is_asked(paypal: PayPal) -> None:
    payment, shown = await paypal.order()
    asked = paypal.server.approve(shown.next_action or "")["asked"]
    assert asked["purchase_units"] == [
        {"custom_id": str(payment), "invoice_id": str(payment), "amount": {"currency_code": "EUR", "value": "31.00"}}
    ]
    assert asked["payment_source"]["paypal"]["experience_context"]["return_url"] == RETURN_URL


@pytest.mark.parametrize(("amount", "value"), [(Amount("JPY", 501), "501"), (Amount("HUF", 50_000), "500"), (Amount("TWD", 100), "1")])
async def test_currencies_without_decimals(paypal: PayPal, amount: Amount, value: str) -> None:
    _, outcome = await paypal.captured(amount)
    assert outcome.amount == amount
    assert paypal.server.moved == [(amount.currency, value)]


@pytest.mark.parametrize("amount", [egp(31), Amount("HUF", 50_001), Amount("KWD", 1_000)], ids=str)
async def test_what_paypal_does_not_take_is_declined_without_asking(paypal: PayPal, amount: Amount) -> None:
    await paypal.server.time_out_next_though_done(TOKEN)
    assert await paypal.gateway.charge(PaymentId.new(), amount, "paypal", None) == Declined("currency_not_taken")


@pytest.mark.parametrize(("issue", "reason"), [("INSTRUMENT_DECLINED", "do_not_honor"), ("COMPLIANCE_VIOLATION", "suspected_fraud")])
async def test_declined(paypal: PayPal, issue: str, reason: str) -> None:
    payment, shown = await paypal.order()
    paypal.server.approve(shown.next_action or "")
    paypal.server.decline_next(issue)
    assert await paypal.gateway.find(payment, Known(shown.reference)) == Declined(reason, shown.reference)
    assert paypal.server.moved == []


@pytest.mark.parametrize("how", ["timeout", "error", "too many"])
async def test_an_order_that_nobody_was_sent_to_takes_nothing(paypal: PayPal, how: str) -> None:
    """Timeout though done, 500 that did it, 429: without its reference nobody approves it and nobody captures it."""
    payment = PaymentId.new()
    match how:
        case "timeout":
            await paypal.server.time_out_next_though_done()
        case "error":
            await paypal.server.fail_next_though_done()
        case _:
            await paypal.server.rate_limit_next()
    assert isinstance(await paypal.gateway.charge(payment, EUROS, "paypal", RETURN_URL), Unknown)
    assert await paypal.gateway.find(payment) is None
    first = await paypal.order(payment=payment)
    assert await paypal.order(payment=payment) == first


async def test_another_amount_under_the_same_id_is_no_order(paypal: PayPal) -> None:
    payment, _ = await paypal.order()
    assert isinstance(await paypal.gateway.charge(payment, Amount("EUR", 1), "paypal", RETURN_URL), Unknown)


@pytest.mark.parametrize("how", ["timeout", "error"])
async def test_a_capture_done_without_an_answer_is_unknown_and_found(paypal: PayPal, how: str) -> None:
    payment, shown = await paypal.order()
    paypal.server.approve(shown.next_action or "")
    path = f"POST /v2/checkout/orders/{shown.reference}/capture"
    await (paypal.server.time_out_next_though_done(path) if how == "timeout" else paypal.server.fail_next_though_done(path))
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Unknown)
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Captured)
    assert paypal.server.moved == [("EUR", "31.00")]


async def test_a_key_that_was_forgotten_takes_nothing_twice(paypal: PayPal) -> None:
    """Six hours later the order itself says that it was captured, and another order for the payment is one that nobody approved."""
    payment, shown = await paypal.order()
    paypal.server.approve(shown.next_action or "")
    await paypal.server.fail_next_though_done(f"POST /v2/checkout/orders/{shown.reference}/capture")
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Unknown)
    paypal.server.turn_clock(timedelta(hours=7))
    assert isinstance(await paypal.gateway.find(payment, Known(shown.reference)), Captured)
    _, another = await paypal.order(payment=payment)
    assert another.reference != shown.reference
    assert paypal.server.moved == [("EUR", "31.00")]


@pytest.mark.parametrize("given_up", [True, False])
async def test_what_is_approved_too_late_is_not_taken(paypal: PayPal, given_up: bool) -> None:
    old = PaymentId.of(UUID(int=long_ago(APPROVED_WITHIN + timedelta(minutes=1))))
    payment = PaymentId.new() if given_up else old
    _, shown = await paypal.order(payment=payment)
    paypal.server.approve(shown.next_action or "")
    outcome = await paypal.gateway.find(payment, Known(shown.reference, is_given_up=given_up))
    assert outcome == Declined("not_received", shown.reference)
    assert paypal.server.captures_asked == 0


async def test_an_order_that_was_forgotten_is_none_once_nobody_can_approve_it(paypal: PayPal) -> None:
    old = PaymentId.of(UUID(int=long_ago(APPROVED_WITHIN + timedelta(minutes=1))))
    assert await paypal.gateway.find(old, Known("5O190127TN364715T")) is None
    assert isinstance(await paypal.gateway.find(PaymentId.new(), Known("5O190127TN364715T")), Unknown)


async def test_another_payments_order_is_not_believed(paypal: PayPal) -> None:
    _, shown = await paypal.order()
    paypal.server.approve(shown.next_action or "")
    assert isinstance(await paypal.gateway.find(PaymentId.new(), Known(shown.reference)), Unknown)
    assert paypal.server.moved == []


async def test_tokens_are_kept_and_fetched_anew_when_they_are_taken_back(paypal: PayPal) -> None:
    await asyncio.gather(*(paypal.order() for _ in range(5)))
    assert len(paypal.server._tokens) == 1
    paypal.server.revoke_tokens()
    await paypal.order()
    await paypal.server.rate_limit_next(TOKEN)
    paypal.server.revoke_tokens()
    assert isinstance(await paypal.gateway.charge(PaymentId.new(), EUROS, "paypal", None), Unknown)


async def test_partial_refunds_up_to_all_and_no_further(paypal: PayPal) -> None:
    payment, captured = await paypal.captured()
    known = Known(captured.reference)
    first, second = RefundId.new(), RefundId.new()
    outcome = await paypal.gateway.refund(first, payment, Amount("EUR", 1000), known)
    assert isinstance(outcome, Refunded)
    assert await paypal.gateway.refund(first, payment, Amount("EUR", 1000), known) == outcome
    assert isinstance(await paypal.gateway.refund(second, payment, Amount("EUR", 2100), known), Refunded)
    assert await paypal.gateway.refund(RefundId.new(), payment, Amount("EUR", 1), known) == Declined("not_refundable")
    assert paypal.server.moved == [("EUR", "31.00"), ("EUR", "-10.00"), ("EUR", "-21.00")]


@pytest.mark.parametrize(("status", "expected"), [("FAILED", Declined), ("PENDING", Pending)])
async def test_a_refund_that_fails_or_takes_its_time(paypal: PayPal, status: str, expected: type) -> None:
    payment, captured = await paypal.captured()
    paypal.server.refund_next_as(status)
    assert isinstance(await paypal.gateway.refund(RefundId.new(), payment, EUROS, Known(captured.reference)), expected)
    assert paypal.server.moved == [("EUR", "31.00")]


@pytest.mark.parametrize("how", ["timeout", "error", "too many"])
async def test_a_refund_without_an_answer_is_known_by_repeating_it(paypal: PayPal, how: str) -> None:
    payment, captured = await paypal.captured()
    refund, path = RefundId.new(), f"POST /v2/payments/captures/{captured.reference}/refund"
    match how:
        case "timeout":
            await paypal.server.time_out_next_though_done(path)
        case "error":
            await paypal.server.fail_next_though_done(path)
        case _:
            await paypal.server.rate_limit_next(path)
    assert isinstance(await paypal.gateway.refund(refund, payment, Amount("EUR", 1000), Known(captured.reference)), Unknown)
    assert isinstance(await paypal.gateway.refund(refund, payment, Amount("EUR", 1000), Known(captured.reference)), Refunded)
    assert paypal.server.moved == [("EUR", "31.00"), ("EUR", "-10.00")]


@pytest.mark.parametrize("looks", [True, False], ids=["guarded", "control"])
async def test_a_refund_whose_key_was_forgotten_is_looked_for_first(paypal: PayPal, looks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    payment, captured = await paypal.captured()
    refund, known = RefundId.of(UUID(int=long_ago(REFUND_KEYS_LIVE + timedelta(days=1)))), Known(captured.reference)
    assert isinstance(await paypal.gateway.refund(refund, payment, Amount("EUR", 1000), known), Refunded)
    paypal.server.turn_clock(timedelta(days=46))
    if not looks:
        monkeypatch.setattr("holdfast.payments.gateways.paypal.REFUND_KEYS_LIVE", timedelta(days=1_000))
    assert isinstance(await paypal.gateway.refund(refund, payment, Amount("EUR", 1000), known), Refunded)
    assert len(paypal.server.moved) == (2 if looks else 3)


async def test_what_moved_is_told_in_order_under_our_ids(paypal: PayPal) -> None:
    began = datetime.now(UTC) - timedelta(days=40)
    (first, _), (second, captured) = await paypal.captured(), await paypal.captured(Amount("JPY", 5))
    refund = RefundId.new()
    await paypal.gateway.refund(refund, second, Amount("JPY", 2), Known(captured.reference))
    items = [item async for item in paypal.gateway.list_settled(began)]
    assert [(item.kind, item.id, item.payment, item.amount) for item in items] == [
        (SettledKind.CAPTURE, first, first, EUROS),
        (SettledKind.CAPTURE, second, second, Amount("JPY", 5)),
        (SettledKind.REFUND, refund, second, Amount("JPY", 2)),
    ]


async def test_forged_webhook(paypal: PayPal) -> None:
    payment, shown = await paypal.order()
    resource = paypal.server.approve(shown.next_action or "")
    headers, body = paypal.message("CHECKOUT.ORDER.APPROVED", resource)
    with pytest.raises(ForgedWebhook):
        paypal.gateway.read_webhook(headers, body)
    await paypal.gateway.fetch_certificate(headers)
    assert [fact.payment for message in paypal.gateway.read_webhook(headers, body) for fact in message.facts] == [payment]  # type: ignore[union-attr]
    for changed in (
        paypal.message("CHECKOUT.ORDER.APPROVED", resource, is_forged=True),
        (headers, body + b" "),
        ({**headers, "paypal-transmission-id": "another"}, body),
        ({**headers, "paypal-transmission-time": "2026-01-01T00:00:00Z"}, body),
        ({**headers, "paypal-transmission-sig": "!"}, body),
        ({**headers, "paypal-auth-algo": "SHA1withRSA"}, body),
        ({}, body),
    ):
        with pytest.raises(ForgedWebhook):
            paypal.gateway.read_webhook(*changed)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../../oauth2/token",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=1",
        "https://api.paypal.com/v1/notifications/certs/",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "",
    ],
)
async def test_certificates_come_from_paypal_and_nowhere_else(url: str) -> None:
    gateway = PayPalGateway("https://api-m.paypal.com", CLIENT, SECRET, WEBHOOK_ID, timeout_s=TIMEOUT_S)
    # Asking for one would be GatewayDown here: no such address answers.
    with pytest.raises(ForgedWebhook):
        await gateway.fetch_certificate({"paypal-cert-url": url})
    await gateway.close()


async def test_a_certificate_is_fetched_once_and_strangers_cannot_make_us_ask_for_ever(paypal: PayPal) -> None:
    for _ in range(3):
        await paypal.gateway.fetch_certificate({"paypal-cert-url": paypal.certificate_url})
    assert paypal.server.certificates_fetched == 1
    for number in range(CERTIFICATE_FETCHES_MAX - 1):
        with pytest.raises(ForgedWebhook):
            await paypal.gateway.fetch_certificate({"paypal-cert-url": f"{paypal.certificate_url}{number}"})
    with pytest.raises(GatewayDown):
        await paypal.gateway.fetch_certificate({"paypal-cert-url": f"{paypal.certificate_url}-one-more"})


async def test_a_gateway_that_is_away_is_unknown_and_raises_nothing() -> None:
    away = PayPalGateway("http://127.0.0.1:1", CLIENT, SECRET, WEBHOOK_ID, timeout_s=TIMEOUT_S)
    assert isinstance(await away.charge(PaymentId.new(), EUROS, "paypal", None), Unknown)
    assert isinstance(await away.find(PaymentId.new(), Known("5O190127TN364715T")), Unknown)
    assert isinstance(await away.refund(RefundId.new(), PaymentId.new(), EUROS, Known("3C679366HH908993F")), Unknown)
    with pytest.raises(GatewayDown):
        await anext(aiter(away.list_settled(datetime.now(UTC) - timedelta(days=1))))
    await away.close()


# In the whole program: what comes in over our edge.


@dataclass
class Counter:
    till: Till
    paypal: PayPal

    async def pay(self) -> tuple[Sold, Payment]:
        thing = await self.till.thing(fare=Amount("EUR", 3000), fee=Amount("EUR", 100))
        payer = Actor(thing.payer_id, Role.PASSENGER)
        paid = await self.till.payments.service.pay(payer, fresh_key(), (SOLD, thing.id), Method.PAYPAL, "paypal")
        return thing, paid.payment

    async def told(self, name: str, resource: Thing, *, is_forged: bool = False) -> None:
        url, body = f"{self.till.url}/api/v1/webhooks/gateways/paypal", self.paypal.server.event(name, resource)
        await self.paypal.server.send_webhook(url, body, certificate_url=self.paypal.certificate_url, is_forged=is_forged)

    async def is_sold(self, thing: Sold) -> bool:
        return (await self.till.now(thing.id)).sold == 1


@pytest.fixture
async def counter(database: Database, owner: Database, paypal: PayPal) -> AsyncIterator[Counter]:
    async with open_counter(database, owner, paypal.gateway, return_url=RETURN_URL) as till:
        yield Counter(till, paypal)


@pytest.mark.parametrize("delivery", [Delivery.ONCE, Delivery.TWICE_AND_UNDER_ANOTHER_ID])
async def test_a_message_that_it_was_approved_captures_it_once(counter: Counter, delivery: Delivery) -> None:
    thing, begun = await counter.pay()
    order = counter.paypal.server.approve(begun.next_action or "")
    counter.paypal.server.delivery = delivery
    await counter.told("CHECKOUT.ORDER.APPROVED", order, is_forged=True)
    assert counter.paypal.server.moved == []
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    assert await counter.is_sold(thing)
    await counter.told("PAYMENT.CAPTURE.COMPLETED", order["purchase_units"][0]["payments"]["captures"][0])
    assert await counter.is_sold(thing)
    assert counter.paypal.server.moved == [("EUR", "31.00")]
    await counter.till.check_books()


async def test_a_lost_message_is_found_by_asking(counter: Counter) -> None:
    thing, begun = await counter.pay()
    counter.paypal.server.approve(begun.next_action or "")
    counter.till.work()
    await until(lambda: counter.is_sold(thing))
    assert counter.paypal.server.moved == [("EUR", "31.00")]


async def test_what_is_approved_after_the_payment_failed_is_not_taken(counter: Counter) -> None:
    """The payer may have paid another way since: money that is not taken need not go back."""
    thing, begun = await counter.pay()
    order = counter.paypal.server.approve(begun.next_action or "")
    counter.paypal.server.decline_next()
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    assert (await counter.till.payment(begun.id)).status is PaymentState.FAILED
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    assert counter.paypal.server.moved == []
    assert not await counter.is_sold(thing)


async def test_a_certificate_that_cannot_be_had_now_makes_the_message_come_again(counter: Counter) -> None:
    thing, begun = await counter.pay()
    order = counter.paypal.server.approve(begun.next_action or "")
    await counter.paypal.server.rate_limit_next(f"GET {CERTIFICATE}")
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    assert not await counter.is_sold(thing)
    assert await counter.till.value("SELECT count(*) FROM gateway_webhooks") == 0
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    assert await counter.is_sold(thing)


async def test_a_refund_that_was_pending_is_told_of(counter: Counter) -> None:
    thing, begun = await counter.pay()
    order = counter.paypal.server.approve(begun.next_action or "")
    await counter.told("CHECKOUT.ORDER.APPROVED", order)
    counter.paypal.server.refund_next_as("PENDING")
    (refund,) = await give_back(counter.till, [thing], Amount("EUR", 1000), Amount("EUR", 0))
    await counter.till.payments.refunds.do_due()
    assert [found.status for found in await counter.till.refunds(begun.id)] == [RefundState.REQUESTED]
    (pending,) = order["purchase_units"][0]["payments"]["refunds"]
    await counter.told("PAYMENT.CAPTURE.REFUNDED", {**pending, "status": "COMPLETED"})
    assert [(found.id, found.status) for found in await counter.till.refunds(begun.id)] == [(refund.id, RefundState.SUCCESS)]
    await counter.till.check_books()
