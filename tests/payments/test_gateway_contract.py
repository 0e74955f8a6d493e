"""What every gateway must do, over real HTTP. A new one joins with a line in ``GATEWAYS``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.payments.till import LATE_S, SECRET, TIMEOUT_S, until
from tests.servers import serving

from holdfast.app.sandbox.http import create_sandbox
from holdfast.common.money import Amount, egp
from holdfast.payments.gateway import (
    Captured,
    Declined,
    Fact,
    ForgedWebhook,
    Gateway,
    GatewayDown,
    PaymentFact,
    Pending,
    Refunded,
    RefundFact,
    SettledKind,
    Unknown,
)
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import PaymentId, RefundId


@dataclass
class Post:
    """What the gateway sent to us."""

    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        self.messages.append(({name.decode().lower(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Candidate:
    """A gateway, what makes it do this or that, and a payer at its page."""

    gateway: Gateway
    unreachable: Gateway
    post: Post
    sources: dict[str, str]
    approve: Callable[[str], Any]

    def facts(self) -> list[Fact]:
        """Everything genuine that was sent."""
        found: list[Fact] = []
        for headers, body in self.post.messages:
            try:
                found += [fact for message in self.gateway.read_webhook(headers, body) for fact in message.facts]
            except ForgedWebhook:
                continue
        return found

    async def is_told(self, *wanted: PaymentFact | RefundFact) -> None:
        async def is_so() -> bool:
            return all(fact in self.facts() for fact in wanted)

        await until(is_so)


@asynccontextmanager
async def sandbox(directory: Path) -> AsyncIterator[Candidate]:
    post = Post()
    async with serving(post) as post_url:
        app = create_sandbox(directory / "sandbox.sqlite3", SECRET, f"{post_url}/", late_s=LATE_S, silence_s=TIMEOUT_S * 2)
        async with serving(app) as url:
            gateway = SandboxGateway(url, SECRET, timeout_s=TIMEOUT_S)
            unreachable = SandboxGateway("http://127.0.0.1:1", SECRET, timeout_s=TIMEOUT_S)

            async def approve(page: str) -> None:
                async with httpx.AsyncClient(trust_env=False) as browser:
                    (await browser.post(page, data={"decision": "approve"})).raise_for_status()

            sources = {
                "success": "tok_success",
                "declined": "tok_decline_insufficient_funds",
                "3-D Secure": "tok_3ds",
                "timeout though done": "tok_timeout_done",
                "timeout, not done": "tok_timeout_not_done",
                "error though done": "tok_error_500_done",
                "late": "tok_late_webhook",
                "lost webhook": "tok_lost_webhook",
                "double webhook": "tok_double_webhook",
                "forged webhook": "tok_forged_webhook",
                "refund fails": "tok_refund_declined",
                "refund is late": "tok_refund_pending",
                "refund error though done": "tok_refund_error_500_done",
                "refund timeout though done": "tok_refund_timeout_done",
            }
            yield Candidate(gateway, unreachable, post, sources, approve)
            await gateway.close()
            await unreachable.close()


GATEWAYS: dict[str, Callable[[Path], AbstractAsyncContextManager[Candidate]]] = {"sandbox": sandbox}


@pytest.fixture(params=list(GATEWAYS))
async def candidate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Candidate]:
    async with GATEWAYS[request.param](tmp_path) as opened:
        yield opened


async def charge(candidate: Candidate, behaviour: str, amount: Amount | None = None) -> tuple[PaymentId, Any]:
    payment = PaymentId.new()
    return payment, await candidate.gateway.charge(payment, amount or egp(31), candidate.sources[behaviour], None)


async def test_success(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "success")
    assert outcome == Captured(egp(31), outcome.reference)
    assert await candidate.gateway.find(payment) == outcome
    await candidate.is_told(PaymentFact(payment, outcome))


@pytest.mark.parametrize("amount", [Amount("JPY", 1), Amount("KWD", 1_234), Amount("EGP", 10**12)], ids=str)
async def test_every_currency_keeps_its_minor_units(candidate: Candidate, amount: Amount) -> None:
    _, outcome = await charge(candidate, "success", amount)
    assert outcome == Captured(amount, outcome.reference)


async def test_repeating_a_charge_never_takes_twice(candidate: Candidate) -> None:
    payment, source = PaymentId.new(), candidate.sources["success"]
    outcomes = await asyncio.gather(*(candidate.gateway.charge(payment, egp(31), source, None) for _ in range(10)))
    assert len(set(outcomes)) == 1
    assert len(await moved(candidate)) == 1
    # Another amount under the same id is no charge, and no answer that could be believed.
    assert isinstance(await candidate.gateway.charge(payment, egp(32), source, None), Unknown)
    assert len(await moved(candidate)) == 1


async def test_declined(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "declined")
    assert isinstance(outcome, Declined)
    assert outcome.reason == "insufficient_funds"
    assert await candidate.gateway.find(payment) == outcome
    await candidate.is_told(PaymentFact(payment, outcome))
    assert await moved(candidate) == []


async def test_three_d_secure(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "3-D Secure")
    assert isinstance(outcome, Pending)
    assert outcome.next_action is not None
    assert await candidate.gateway.find(payment) == outcome
    await candidate.approve(outcome.next_action)
    decided = await candidate.gateway.find(payment)
    assert isinstance(decided, Captured)
    await candidate.is_told(PaymentFact(payment, decided))


@pytest.mark.parametrize("behaviour", ["timeout though done", "error though done"])
async def test_done_without_an_answer_is_unknown_and_found(candidate: Candidate, behaviour: str) -> None:
    payment, outcome = await charge(candidate, behaviour)
    assert isinstance(outcome, Unknown)
    found = await candidate.gateway.find(payment)
    assert isinstance(found, Captured)
    # Asking by repeating may go on failing; it takes nothing again.
    await candidate.gateway.charge(payment, egp(31), candidate.sources[behaviour], None)
    assert len(await moved(candidate)) == 1


async def test_what_never_arrived_is_not_found(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "timeout, not done")
    assert isinstance(outcome, Unknown)
    assert await candidate.gateway.find(payment) is None
    assert await candidate.gateway.find(PaymentId.new()) is None


async def test_late(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "late")
    assert outcome == Pending(outcome.reference)
    await candidate.is_told(PaymentFact(payment, Captured(egp(31), outcome.reference)))
    assert await candidate.gateway.find(payment) == Captured(egp(31), outcome.reference)


async def test_lost_webhook(candidate: Candidate) -> None:
    payment, _ = await charge(candidate, "lost webhook")

    async def is_captured() -> bool:
        return isinstance(await candidate.gateway.find(payment), Captured)

    await until(is_captured)
    assert candidate.post.messages == []


async def test_double_webhook(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "double webhook")

    async def all_came() -> bool:
        return len(candidate.post.messages) == 3

    await until(all_came)
    assert candidate.facts() == [PaymentFact(payment, outcome)] * 3
    event_ids = [message.event_id for headers, body in candidate.post.messages for message in candidate.gateway.read_webhook(headers, body)]
    assert len(set(event_ids)) == 2


async def test_forged_webhook(candidate: Candidate) -> None:
    payment, outcome = await charge(candidate, "forged webhook")

    async def both_came() -> bool:
        return len(candidate.post.messages) == 2

    await until(both_came)
    assert candidate.facts() == [PaymentFact(payment, outcome)]
    headers, body = candidate.post.messages[0]
    for changed in (body + b" ", body.replace(b"31", b"32"), b""):
        with pytest.raises(ForgedWebhook):
            candidate.gateway.read_webhook(headers, changed)
    with pytest.raises(ForgedWebhook):
        candidate.gateway.read_webhook({}, body)


async def test_partial_refunds_up_to_all_and_no_further(candidate: Candidate) -> None:
    payment, _ = await charge(candidate, "success")
    first, second, third = RefundId.new(), RefundId.new(), RefundId.new()
    outcome = await candidate.gateway.refund(first, payment, egp(10))
    assert isinstance(outcome, Refunded)
    assert await candidate.gateway.refund(first, payment, egp(10)) == outcome
    assert isinstance(await candidate.gateway.refund(second, payment, egp(21)), Refunded)
    assert isinstance(await candidate.gateway.refund(third, payment, egp(0, 1)), Declined)
    assert [amount.minor for _, amount in await moved(candidate)] == [3100, 1000, 2100]
    await candidate.is_told(RefundFact(first, outcome))


async def test_a_refund_that_fails(candidate: Candidate) -> None:
    payment, _ = await charge(candidate, "refund fails")
    refund = RefundId.new()
    outcome = await candidate.gateway.refund(refund, payment, egp(31))
    assert isinstance(outcome, Declined)
    await candidate.is_told(RefundFact(refund, outcome))
    assert len(await moved(candidate)) == 1


async def test_a_refund_that_takes_its_time(candidate: Candidate) -> None:
    payment, _ = await charge(candidate, "refund is late")
    refund = RefundId.new()
    outcome = await candidate.gateway.refund(refund, payment, egp(31))
    assert isinstance(outcome, Pending)
    await candidate.is_told(RefundFact(refund, Refunded(outcome.reference or "")))


@pytest.mark.parametrize("behaviour", ["refund error though done", "refund timeout though done"])
async def test_a_refund_done_without_an_answer_is_known_by_repeating_it(candidate: Candidate, behaviour: str) -> None:
    payment, _ = await charge(candidate, behaviour)
    refund = RefundId.new()

    async def is_done() -> bool:
        return isinstance(await candidate.gateway.refund(refund, payment, egp(31)), Refunded)

    await until(is_done)
    assert [amount.minor for _, amount in await moved(candidate)] == [3100, 3100]


async def test_what_moved_is_told_in_order_under_our_ids(candidate: Candidate) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    payments = [(await charge(candidate, "success"))[0] for _ in range(3)]
    refund = RefundId.new()
    await candidate.gateway.refund(refund, payments[1], egp(1))
    items = [item async for item in candidate.gateway.list_settled(began)]
    assert [(item.kind, item.id) for item in items] == [
        *((SettledKind.CAPTURE, payment) for payment in payments),
        (SettledKind.REFUND, refund),
    ]
    assert items[3].payment == payments[1]
    assert [item async for item in candidate.gateway.list_settled(datetime.now(UTC) + timedelta(minutes=1))] == []


async def test_a_gateway_that_is_away_is_unknown_and_raises_nothing(candidate: Candidate) -> None:
    away = candidate.unreachable
    assert isinstance(await away.charge(PaymentId.new(), egp(31), candidate.sources["success"], None), Unknown)
    assert isinstance(await away.find(PaymentId.new()), Unknown)
    assert isinstance(await away.refund(RefundId.new(), PaymentId.new(), egp(1)), Unknown)
    with pytest.raises(GatewayDown):
        await anext(aiter(away.list_settled(datetime.now(UTC))))


async def moved(candidate: Candidate) -> list[tuple[PaymentId, Amount]]:
    """What moved at the gateway, in order."""
    return [(item.payment, item.amount) async for item in candidate.gateway.list_settled(datetime(2020, 1, 1, tzinfo=UTC))]
