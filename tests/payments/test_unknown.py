"""When nobody knows: the worker asks until it is known."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.payments.till import Thing, Till, fresh_key, until

from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import StillRunning
from holdfast.payments import PaymentId, PaymentState
from holdfast.payments.gateway import Known, Outcome
from holdfast.payments.reconcile import NOT_RECEIVED

Moves = Callable[[timedelta], None]


async def becomes(till: Till, payment_id: PaymentId, state: PaymentState) -> None:
    async def is_so() -> bool:
        return (await till.payment(payment_id)).status is state

    await until(is_so)


@pytest.mark.parametrize("token", ["tok_timeout_done", "tok_error_500_done"])
async def test_what_was_done_without_an_answer_is_found(till: Till, token: str) -> None:
    """No webhook comes for these tokens: only asking finds out."""
    thing = await till.thing()
    answer = await till.pay(thing, token)
    assert answer.payment.status is PaymentState.INITIATED
    assert answer.payment.unknown_since is not None
    till.work()
    await becomes(till, answer.payment.id, PaymentState.SUCCESS)
    assert (await till.payment(answer.payment.id)).unknown_since is None
    assert (await till.now(thing.id)).sold == 1
    await till.check_books()


@pytest.mark.parametrize("token", ["tok_timeout_not_done", "tok_error_500_not_done"])
async def test_what_never_arrived_fails_and_can_be_paid_again(till: Till, token: str, move_time: Moves) -> None:
    thing = await till.thing()
    answer = await till.pay(thing, token)
    assert answer.payment.status is PaymentState.INITIATED
    till.work()

    async def was_asked_for() -> bool:
        return (await till.payment(answer.payment.id)).asks > 0

    await until(was_asked_for)
    # The gateway has not heard of it, but whoever calls may still be calling: too early to give up.
    assert (await till.payment(answer.payment.id)).status is PaymentState.INITIATED
    move_time(timedelta(seconds=25))
    await becomes(till, answer.payment.id, PaymentState.FAILED)
    assert (await till.payment(answer.payment.id)).decline_reason == NOT_RECEIVED
    assert (await till.pay(thing, "tok_success")).payment.is_kept
    await till.check_books()


async def test_a_lost_webhook_is_made_up_for(till: Till) -> None:
    answer = await till.pay(await till.thing(), "tok_lost_webhook")
    assert answer.payment.status is PaymentState.INITIATED
    till.work()
    await becomes(till, answer.payment.id, PaymentState.SUCCESS)


async def test_a_gateway_that_is_away_is_asked_until_it_is_back(till: Till, move_time: Moves) -> None:
    """Not an hour of silence makes a no."""
    address = till.gateway._connection._client.base_url
    till.gateway._connection._client.base_url = "http://127.0.0.1:1"
    thing, key = await till.thing(can_be_retaken=True), fresh_key()
    answer = await till.pay(thing, "tok_success", key)
    assert answer.payment.unknown_since is not None
    for _ in range(3):
        move_time(timedelta(hours=1))
        assert await till.payments.reconciler.ask_for_unanswered() == 1
    assert (await till.payment(answer.payment.id)).status is PaymentState.INITIATED
    till.gateway._connection._client.base_url = address
    move_time(timedelta(hours=1))
    again = await till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert again.payment.is_kept


async def test_asking_goes_at_a_slower_and_slower_pace(till: Till, move_time: Moves) -> None:
    answer = await till.pay(await till.thing(), "tok_3ds")
    waits = []
    for _ in range(8):
        move_time(timedelta(minutes=2))
        assert await till.payments.reconciler.ask_for_unanswered() == 1
        waits.append(await till.value("SELECT round(extract(epoch FROM ask_after - business_now()))::integer FROM payments"))
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert (await till.payment(answer.payment.id)).status is PaymentState.INITIATED


async def test_a_repeated_request_asks_for_the_outcome_itself(till: Till, move_time: Moves) -> None:
    thing, key = await till.thing(), fresh_key()
    first = await till.pay(thing, "tok_timeout_done", key)
    assert first.payment.status is PaymentState.INITIATED
    move_time(timedelta(seconds=2))
    again = await till.pay(thing, "tok_timeout_done", IdempotencyKey(key.text, key.fingerprint))
    assert again.payment.id == first.payment.id
    assert again.payment.status is PaymentState.SUCCESS
    # And from now on the key tells that.
    assert await till.pay(thing, "tok_timeout_done", IdempotencyKey(key.text, key.fingerprint)) == again


async def test_a_repeated_request_charges_again_only_what_never_arrived(till: Till, move_time: Moves) -> None:
    thing, key = await till.thing(), fresh_key()
    await till.pay(thing, "tok_timeout_not_done", key)
    move_time(timedelta(seconds=2))
    again = await till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert again.payment.status is PaymentState.SUCCESS
    assert len(await till.attempts(thing)) == 1


async def test_while_a_repeated_request_charges_no_worker_declares_it_lost(
    till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is long overdue, and the gateway has not heard of it: but somebody is just about to call."""
    thing, key = await till.thing(), fresh_key()
    await till.pay(thing, "tok_error_500_not_done", key)
    move_time(timedelta(minutes=1))
    charge = till.gateway.charge

    async def as_slow_as_two_calls_may_be(*arguments: object) -> object:
        move_time(timedelta(seconds=20))
        assert await till.payments.reconciler.ask_for_unanswered() == 0
        return await charge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(till.gateway, "charge", as_slow_as_two_calls_may_be)
    again = await till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert again.payment.status is PaymentState.SUCCESS


async def test_while_the_first_request_runs_a_repeated_one_is_told_so(till: Till) -> None:
    thing, key = await till.thing(), fresh_key()
    running = asyncio.create_task(till.pay(thing, "tok_timeout_done", key))

    async def is_begun() -> bool:
        return bool(await till.attempts(thing))

    await until(is_begun)
    with pytest.raises(StillRunning):
        await till.pay(thing, "tok_timeout_done", IdempotencyKey(key.text, key.fingerprint))
    await running


async def test_several_workers_share_the_work(till: Till) -> None:
    """Each payment is asked for by one of them; what one claimed the others leave alone."""
    things = [await till.thing() for _ in range(6)]
    begun = await asyncio.gather(*(till.pay(thing, "tok_error_500_done") for thing in things))
    for _ in range(3):
        till.work()
    for answer in begun:
        await becomes(till, answer.payment.id, PaymentState.SUCCESS)
    assert await till.value("SELECT max(asks) FROM payments") == 1
    await till.check_books()


async def test_a_payment_that_trips_us_leaves_its_neighbours_alone(till: Till, move_time: Moves, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [(await till.pay(await till.thing(), "tok_error_500_done")).payment for _ in range(4)]
    whole = till.gateway.find

    async def trips(payment_id: PaymentId, known: Known) -> Outcome | None:
        if payment_id == begun[0].id:
            raise ValueError("a fault of ours")
        return await whole(payment_id, known)

    monkeypatch.setattr(till.gateway, "find", trips)
    move_time(timedelta(minutes=1))
    assert await till.payments.reconciler.ask_for_unanswered() == 4
    assert [(await till.payment(payment.id)).status for payment in begun] == [PaymentState.INITIATED, *[PaymentState.SUCCESS] * 3]


async def test_outcomes_are_made_true_when_the_rows_come_free(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """The money is there, but somebody keeps the thing locked: the payer is told that it is not known yet, and it is not lost."""
    from holdfast.payments import service

    monkeypatch.setattr(service, "OVERLOADED_WAITS_S", (0.0,))
    thing = await till.thing()
    release = asyncio.Event()
    gateway_charge = till.gateway.charge

    async def lock_first(*arguments: object) -> object:
        locker.append(asyncio.create_task(_keep_locked(till, thing, locked, release)))
        await locked.wait()
        return await gateway_charge(*arguments)  # type: ignore[arg-type]

    locker: list[asyncio.Task[None]] = []
    locked = asyncio.Event()
    monkeypatch.setattr(till.gateway, "charge", lock_first)
    answer = await till.pay(thing, "tok_success")
    assert answer.payment.unknown_since is not None
    release.set()
    await locker[0]
    till.work()
    await becomes(till, answer.payment.id, PaymentState.SUCCESS)
    await till.check_books()


async def _keep_locked(till: Till, thing: Thing, locked: asyncio.Event, release: asyncio.Event) -> None:
    async with till.database.transaction() as tx:
        await till.payable.lock(tx, [thing.id], settling=True)
        locked.set()
        await release.wait()
