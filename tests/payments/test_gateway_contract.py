"""What every gateway must do, over real HTTP. A new one joins with a line in ``tests/gateways/rigs.py``."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.rig import Behaviour, Rig, aged
from tests.gateways.rigs import RIGS
from tests.payments.till import until

from holdfast.common.money import Amount, egp
from holdfast.payments.gateway import (
    Captured,
    Declined,
    ForgedWebhook,
    GatewayDown,
    PaymentFact,
    Pending,
    Refunded,
    RefundFact,
    SettledKind,
    Unknown,
)
from holdfast.payments.models import PaymentId, RefundId

RETURN_URL = "https://holdfast.example/paid"


@pytest.fixture(params=list(RIGS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with RIGS[request.param](tmp_path) as opened:
        yield opened


async def charge(rig: Rig, behaviour: Behaviour, amount: Amount | None = None) -> tuple[PaymentId, Any]:
    payment = PaymentId.new()
    return payment, await rig.gateway.charge(payment, amount or egp(31), await rig.source(behaviour), RETURN_URL)


async def test_success(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.SUCCESS)
    assert outcome == Captured(egp(31), outcome.reference)
    assert await rig.gateway.find(payment) == outcome
    await rig.is_told(PaymentFact(payment, outcome))


@pytest.mark.parametrize("amount", [Amount("JPY", 501), Amount("KWD", 1_230)], ids=str)
async def test_every_currency_keeps_its_minor_units(rig: Rig, amount: Amount) -> None:
    _, outcome = await charge(rig, Behaviour.SUCCESS, amount)
    assert outcome == Captured(amount, outcome.reference)
    assert [moved for _, moved in await moved_at(rig)] == [amount]


async def test_the_largest_amount_is_taken_to_the_last_unit(rig: Rig) -> None:
    _, outcome = await charge(rig, Behaviour.SUCCESS, rig.largest)
    assert outcome == Captured(rig.largest, outcome.reference)


async def test_repeating_a_charge_never_takes_twice(rig: Rig) -> None:
    payment, source = PaymentId.new(), await rig.source(Behaviour.SUCCESS)
    outcomes = await asyncio.gather(*(rig.gateway.charge(payment, egp(31), source, RETURN_URL) for _ in range(10)))
    assert len(set(outcomes)) == 1
    assert len(await moved_at(rig)) == 1
    # Another amount under the same id is no charge, and no answer that could be believed.
    assert isinstance(await rig.gateway.charge(payment, egp(32), source, RETURN_URL), Unknown)
    assert len(await moved_at(rig)) == 1


async def test_declined(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.DECLINED)
    assert isinstance(outcome, Declined)
    assert outcome.reason == "insufficient_funds"
    assert await rig.gateway.find(payment) == outcome
    await rig.is_told(PaymentFact(payment, outcome))
    assert await moved_at(rig) == []


async def test_three_d_secure(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.THREE_D_SECURE)
    assert isinstance(outcome, Pending)
    assert outcome.next_action is not None
    assert await rig.gateway.find(payment) == outcome
    await rig.approve(outcome.next_action)
    decided = await rig.gateway.find(payment)
    assert isinstance(decided, Captured)
    await rig.is_told(PaymentFact(payment, decided))


@pytest.mark.parametrize("behaviour", [Behaviour.TIMEOUT_DONE, Behaviour.ERROR_DONE, Behaviour.CUT_DONE, Behaviour.NONSENSE_DONE])
async def test_done_without_an_answer_is_unknown_and_found(rig: Rig, behaviour: Behaviour) -> None:
    payment, source = PaymentId.new(), await rig.source(behaviour)
    outcome = await rig.gateway.charge(payment, egp(31), source, RETURN_URL)
    assert isinstance(outcome, Unknown)
    found = await rig.gateway.find(payment)
    assert isinstance(found, Captured)
    # Asking by repeating may go on failing; it takes nothing again.
    await rig.gateway.charge(payment, egp(31), source, RETURN_URL)
    assert len(await moved_at(rig)) == 1


async def test_what_never_arrived_is_not_found(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.TIMEOUT_NOT_DONE)
    assert isinstance(outcome, Unknown)
    assert await rig.gateway.find(payment) is None
    assert await rig.gateway.find(PaymentId.new()) is None


async def test_late(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.LATE)
    assert outcome == Pending(outcome.reference)
    await rig.is_told(PaymentFact(payment, Captured(egp(31), outcome.reference)))
    assert await rig.gateway.find(payment) == Captured(egp(31), outcome.reference)


async def test_lost_webhook(rig: Rig) -> None:
    payment, _ = await charge(rig, Behaviour.LOST_WEBHOOK)

    async def is_captured() -> bool:
        return isinstance(await rig.gateway.find(payment), Captured)

    await until(is_captured)
    assert rig.post.messages == []


async def test_double_webhook(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.DOUBLE_WEBHOOK)

    async def all_came() -> bool:
        return len(rig.genuine()) == 3

    await until(all_came)
    assert rig.facts() == [PaymentFact(payment, outcome)] * 3
    assert len({message.event_id for message in rig.genuine()}) == 2


async def test_forged_webhook(rig: Rig) -> None:
    payment, outcome = await charge(rig, Behaviour.FORGED_WEBHOOK)
    told = [PaymentFact(payment, outcome)]

    def forged() -> list[bytes]:
        return [body for headers, body in rig.post.messages if not is_genuine(rig, headers, body)]

    async def both_came() -> bool:
        return rig.facts() == told and len(forged()) == 1

    await until(both_came)
    headers, body = next(message for message in rig.post.messages if is_genuine(rig, *message))
    for changed in (body + b" ", body.replace(b"31", b"32"), b""):
        assert not is_genuine(rig, headers, changed)
    assert not is_genuine(rig, {}, body)
    assert not is_genuine(rig, headers, forged()[0])


async def test_partial_refunds_up_to_all_and_no_further(rig: Rig) -> None:
    payment, _ = await charge(rig, Behaviour.SUCCESS)
    first, second, third = RefundId.new(), RefundId.new(), RefundId.new()
    outcome = await rig.gateway.refund(first, payment, egp(10))
    assert isinstance(outcome, Refunded)
    assert await rig.gateway.refund(first, payment, egp(10)) == outcome
    assert isinstance(await rig.gateway.refund(second, payment, egp(21)), Refunded)
    assert isinstance(await rig.gateway.refund(third, payment, egp(0, 1)), Declined)
    assert [amount.minor for _, amount in await moved_at(rig)] == [3100, 1000, 2100]
    await rig.is_told(RefundFact(first, outcome))


async def test_too_many_requests_are_unknown_and_take_nothing(rig: Rig) -> None:
    payment, source = PaymentId.new(), await rig.source(Behaviour.TOO_MANY)
    assert isinstance(await rig.gateway.charge(payment, egp(31), source, RETURN_URL), Unknown)
    assert await rig.gateway.find(payment) is None
    assert isinstance(await rig.gateway.charge(payment, egp(31), source, RETURN_URL), Captured)
    assert len(await moved_at(rig)) == 1


async def test_too_many_requests_for_a_refund_are_unknown_until_it_is_done(rig: Rig) -> None:
    payment, _ = await charge(rig, Behaviour.REFUND_TOO_MANY)
    refund = RefundId.new()
    assert isinstance(await rig.gateway.refund(refund, payment, egp(31)), Unknown)
    assert isinstance(await rig.gateway.refund(refund, payment, egp(31)), Refunded)
    assert len(await moved_at(rig)) == 2


async def test_a_key_that_was_forgotten_takes_and_gives_nothing_twice(rig: Rig) -> None:
    source, ago = await rig.source(Behaviour.KEY_PRUNED), timedelta(hours=25)
    payment, refund = aged(ago), RefundId.new()
    await rig.turn_clock(-ago)
    captured = await rig.gateway.charge(payment, egp(31), source, RETURN_URL)
    refunded = await rig.gateway.refund(refund, payment, egp(10))
    await rig.turn_clock(timedelta())
    assert isinstance(captured, Captured)
    assert await rig.gateway.charge(payment, egp(31), source, RETURN_URL) == captured
    assert await rig.gateway.refund(refund, payment, egp(10)) == refunded
    assert [amount for _, amount in await moved_at(rig)] == [egp(31), egp(10)]


async def test_a_refund_that_fails(rig: Rig) -> None:
    payment, _ = await charge(rig, Behaviour.REFUND_FAILS)
    refund = RefundId.new()
    outcome = await rig.gateway.refund(refund, payment, egp(31))
    assert isinstance(outcome, Declined)
    await rig.is_told(RefundFact(refund, outcome))
    assert len(await moved_at(rig)) == 1


async def test_a_refund_that_takes_its_time(rig: Rig) -> None:
    payment, _ = await charge(rig, Behaviour.REFUND_LATE)
    refund = RefundId.new()
    outcome = await rig.gateway.refund(refund, payment, egp(31))
    assert isinstance(outcome, Pending)
    await rig.is_told(RefundFact(refund, Refunded(outcome.reference or "")))


@pytest.mark.parametrize("behaviour", [Behaviour.REFUND_ERROR_DONE, Behaviour.REFUND_TIMEOUT_DONE])
async def test_a_refund_done_without_an_answer_is_known_by_repeating_it(rig: Rig, behaviour: Behaviour) -> None:
    payment, _ = await charge(rig, behaviour)
    refund = RefundId.new()

    async def is_done() -> bool:
        return isinstance(await rig.gateway.refund(refund, payment, egp(31)), Refunded)

    await until(is_done)
    assert [amount.minor for _, amount in await moved_at(rig)] == [3100, 3100]


async def test_what_moved_is_told_in_order_under_our_ids(rig: Rig) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    payments = [(await charge(rig, Behaviour.SUCCESS))[0] for _ in range(3)]
    refund = RefundId.new()
    await rig.gateway.refund(refund, payments[1], egp(1))
    items = [item async for item in rig.gateway.list_settled(began)]
    assert [(item.kind, item.id) for item in items] == [
        *((SettledKind.CAPTURE, payment) for payment in payments),
        (SettledKind.REFUND, refund),
    ]
    assert items[3].payment == payments[1]
    assert [item async for item in rig.gateway.list_settled(datetime.now(UTC) + timedelta(minutes=1))] == []


async def test_a_gateway_that_is_away_is_unknown_and_raises_nothing(rig: Rig) -> None:
    away = rig.unreachable
    assert isinstance(await away.charge(PaymentId.new(), egp(31), await rig.source(Behaviour.SUCCESS), RETURN_URL), Unknown)
    assert isinstance(await away.find(PaymentId.new()), Unknown)
    assert isinstance(await away.refund(RefundId.new(), PaymentId.new(), egp(1)), Unknown)
    with pytest.raises(GatewayDown):
        await anext(aiter(away.list_settled(datetime.now(UTC))))


async def moved_at(rig: Rig) -> list[tuple[PaymentId, Amount]]:
    """What moved at the gateway, in order."""
    return [(item.payment, item.amount) async for item in rig.gateway.list_settled(datetime(2020, 1, 1, tzinfo=UTC))]


def is_genuine(rig: Rig, headers: dict[str, str], body: bytes) -> bool:
    try:
        rig.gateway.read_webhook(headers, body)
    except ForgedWebhook:
        return False
    return True
