"""Gateways that do not answer are passed over and tried again by one payment; what an admin switches off is off for everybody at once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta

import pytest
from tests.payments import guards
from tests.payments.till import SECRET, SOLD, Thing, Till, fresh_key, signed_in, somebody
from tests.races import guarded_and, race

from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.database import Tx
from holdfast.payments import Method, PaymentState, module
from holdfast.payments.availability.errors import MethodUnavailable
from holdfast.payments.availability.service import FAILURES_MAX, OPEN_FOR
from holdfast.payments.gateway import Gateways
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import Payment, PaymentId
from holdfast.payments.module import PaymentsModule
from holdfast.payments.screening import Attempt, NoScreening, PaymentNotPossible, Verdict

assert guards

Moves = Callable[[timedelta], None]
AWAY = "http://127.0.0.1:1"


class FirstChoice(SandboxGateway):
    """A gateway of another name, which tests take away and bring back."""

    name = "first"


class NobodyPasses(NoScreening):
    """Screening that refuses whatever it is asked about, and lets that be committed."""

    async def judge(self, tx: Tx, attempts: Sequence[Attempt]) -> Mapping[PaymentId, Verdict]:
        return {attempt.payment_id: PaymentNotPossible() for attempt in attempts}


class Shop:
    """Payments through two gateways, of which the first is away."""

    def __init__(self, till: Till, *, with_second: bool = True) -> None:
        self.till = till
        self.first = FirstChoice(AWAY, SECRET)
        self.payments: PaymentsModule = module.build(
            till.database, till.payables, Gateways(self.first, till.gateway) if with_second else Gateways(self.first)
        )

    async def pay(self, thing: Thing | None = None) -> Payment:
        thing = thing or await self.till.thing()
        payer = Actor(thing.payer_id, Role.PASSENGER)
        return (await self.payments.service.pay(payer, fresh_key(), (SOLD, thing.id), Method.CARD, "tok_success")).payment

    async def fail(self) -> list[Payment]:
        """As often as it takes until the first gateway is not asked any more."""
        return [await self.pay() for _ in range(FAILURES_MAX)]

    def come_back(self) -> None:
        self.first._connection._client = self.till.gateway._connection._client


@pytest.fixture
async def shop(till: Till) -> AsyncIterator[Shop]:
    opened = Shop(till)
    client = opened.first._connection._client
    yield opened
    await client.aclose()


async def test_a_gateway_that_does_not_answer_is_passed_over(shop: Shop) -> None:
    failed = await shop.fail()
    assert {(payment.gateway, payment.status) for payment in failed} == {("first", PaymentState.INITIATED)}
    paid = await shop.pay()
    assert (paid.gateway, paid.status) == ("sandbox", PaymentState.SUCCESS)
    # What has begun stays with its gateway: only that one knows what became of it.
    assert {(await shop.till.payment(payment.id)).gateway for payment in failed} == {"first"}


async def test_a_no_is_an_answer(till: Till) -> None:
    for _ in range(FAILURES_MAX + 1):
        assert (await till.pay(await till.thing(), "tok_decline_expired_card")).payment.status is PaymentState.FAILED
    assert (await till.pay(await till.thing(), "tok_success")).payment.status is PaymentState.SUCCESS


async def test_when_none_is_left_the_payer_is_told_when_to_come_back(till: Till) -> None:
    alone = Shop(till, with_second=False)
    await alone.fail()
    thing = await till.thing()
    with pytest.raises(MethodUnavailable) as refused:
        await alone.pay(thing)
    assert refused.value.retry_after == OPEN_FOR.total_seconds()
    # Nothing was begun, so it can be paid another way at once.
    assert await till.attempts(thing) == ()
    await alone.first.close()


async def test_a_gateway_that_is_back_is_asked_again(shop: Shop, move_time: Moves) -> None:
    await shop.fail()
    shop.come_back()
    assert (await shop.pay()).gateway == "sandbox"
    move_time(OPEN_FOR + timedelta(seconds=1))
    assert [(await shop.pay()).gateway for _ in range(3)] == ["first"] * 3
    assert await shop.till.value("SELECT failures FROM gateway_breakers") == 0


async def test_a_trial_that_died_with_its_process_is_made_again(shop: Shop, move_time: Moves) -> None:
    await shop.fail()
    move_time(OPEN_FOR + timedelta(seconds=1))
    async with shop.till.database.transaction() as tx:
        # Chosen, and then nothing more is heard of whoever was to call.
        assert (await shop.payments.service._availability.choose(tx, Method.CARD)).name == "first"
    assert (await shop.pay()).gateway == "sandbox"
    move_time(OPEN_FOR + timedelta(seconds=1))
    shop.come_back()
    assert (await shop.pay()).gateway == "first"


async def test_what_the_screening_refuses_is_no_trial(shop: Shop, move_time: Moves) -> None:
    await shop.fail()
    move_time(OPEN_FOR + timedelta(seconds=1))
    shop.come_back()
    screened = module.build(shop.till.database, shop.till.payables, Gateways(shop.first), screening=NobodyPasses())
    thing = await shop.till.thing()
    with pytest.raises(PaymentNotPossible):
        await screened.service.pay(Actor(thing.payer_id, Role.PASSENGER), fresh_key(), (SOLD, thing.id), Method.CARD, "tok_success")
    assert (await shop.pay(thing)).gateway == "first"


@guarded_and("payments.without_one_trial")
async def test_one_payment_tries_a_gateway_and_no_more(shop: Shop, owner_url: str, guard: str | None, move_time: Moves) -> None:
    await shop.fail()

    async def once() -> str:
        move_time(OPEN_FOR + timedelta(seconds=1))
        before = await shop.till.value("SELECT count(*) FROM payments WHERE gateway = 'first'")
        things = [await shop.till.thing() for _ in range(6)]
        await asyncio.gather(*(shop.pay(thing) for thing in things), return_exceptions=True)
        tried = await shop.till.value("SELECT count(*) FROM payments WHERE gateway = 'first'") - before
        return f"{tried} tried it" if tried != 1 else ""

    await race(once, guard, owner_url)


async def switch(till: Till, what: str, *, is_off: bool, actor: Actor | None = None) -> int:
    body = {"isOff": is_off, "note": "Their status page says: outage."}
    return (await till.client.patch(f"/admin/{what}", json=body, headers=signed_in(actor or somebody(Role.ADMIN)))).status_code


async def test_what_is_switched_off_is_off_for_every_process_at_once(till: Till) -> None:
    admin, other = somebody(Role.ADMIN), module.build(till.database, till.payables, Gateways(till.gateway))
    begun = await till.thing()
    key = fresh_key()
    undecided = await till.pay(begun, "tok_3ds", key)
    for what in ("gateways/sandbox", "payment-methods/card"):
        assert await switch(till, what, is_off=True, actor=admin) == 200
        thing = await till.thing()
        with pytest.raises(MethodUnavailable):
            await other.service.pay(Actor(thing.payer_id, Role.PASSENGER), fresh_key(), (SOLD, thing.id), Method.CARD, "tok_success")
        body = {"method": "CARD", "token": "tok_success", "bookingId": str(thing.id)}
        answer = await till.client.post("/payments/pay", json=body, headers=signed_in(Actor(thing.payer_id, Role.PASSENGER)))
        assert (answer.status_code, answer.json()["code"]) == (503, "payment_method_unavailable")
        assert answer.headers["retry-after"] == "15"
        # What has begun is brought to its end.
        assert (await till.pay(begun, "tok_3ds", key)).payment.id == undecided.payment.id
        assert await switch(till, what, is_off=False, actor=admin) == 200
        assert (await till.pay(await till.thing(), "tok_success")).payment.status is PaymentState.SUCCESS
    switched = "SELECT array_agg(action ORDER BY id) FROM audit_logs WHERE actor_id = :id"
    assert await till.value(switched, id=admin.id) == ["payment_switch.off", "payment_switch.on"] * 2
    shown = (await till.client.get("/admin/gateways", headers=signed_in(admin))).json()
    assert shown["gateways"] == [{"name": "sandbox", "isOff": False, "failures": 0, "isOpen": False}]
    assert [(each["kind"], each["name"], each["isOff"]) for each in shown["switches"]] == [
        ("GATEWAY", "sandbox", False),
        ("METHOD", "CARD", False),
    ]


@pytest.mark.parametrize("method", [Method.WALLET, Method.CASH])
async def test_what_asks_no_gateway_can_be_switched_off_too(till: Till, method: Method) -> None:
    thing = await till.thing(fare=egp(1))
    assert await switch(till, f"payment-methods/{method}", is_off=True) == 200
    with pytest.raises(MethodUnavailable):
        await till.payments.service.pay(Actor(thing.payer_id, Role.PASSENGER), fresh_key(), (SOLD, thing.id), method)
    assert await till.attempts(thing) == ()


async def test_only_admins_switch_and_only_what_is_there(till: Till) -> None:
    assert await switch(till, "gateways/sandbox", is_off=True, actor=somebody()) == 403
    assert await switch(till, "gateways/paypal", is_off=True) == 404
    assert await switch(till, "payment-methods/shells", is_off=True) == 404
