"""The process is killed between any two steps: nothing is lost, nothing is charged twice."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.payments import dying
from tests.payments.test_refunds import bought, give_back
from tests.payments.till import SOLD, Thing, Till, fresh_key, until

from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import Method, PaymentState

ROOT = Path(__file__).parents[2]
Moves = Callable[[timedelta], None]


async def die(till: Till, point: str, thing: Thing, key: IdempotencyKey) -> None:
    arguments = (point, till.database.url, till.sandbox_url, thing.id.hex, thing.payer_id.hex, key.text)
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.payments.dying", *arguments, cwd=ROOT, env=_environment())
    assert await process.wait() == -signal.SIGKILL


async def money_at_the_gateway(till: Till) -> list[int]:
    """What moved there, in minor units."""
    since = await till.value("SELECT min(created_at) - interval '1 minute' FROM payments")
    return [item.amount.minor for item in [found async for found in till.gateway.list_settled(since)]]


@pytest.mark.parametrize("point", dying.PAYING)
async def test_a_payment_survives_its_process(till: Till, point: str, move_time: Moves) -> None:
    thing, key = await till.thing(), fresh_key()
    await die(till, point, thing, key)
    (begun,) = await till.attempts(thing)
    expected = PaymentState.SUCCESS if point == "before the answer" else PaymentState.INITIATED
    # Webhooks may have come since: what counts is how it ends.
    assert begun.status in (expected, PaymentState.SUCCESS)
    till.work()
    move_time(timedelta(seconds=25))

    async def is_decided() -> bool:
        return (await till.payment(begun.id)).status is not PaymentState.INITIATED

    await until(is_decided)
    was_called = point != "before the call"
    assert (await till.payment(begun.id)).status is (PaymentState.SUCCESS if was_called else PaymentState.FAILED)
    assert await money_at_the_gateway(till) == ([3100] if was_called else [])
    # Who repeats the request is told the same as it became.
    payer = Actor(thing.payer_id, Role.PASSENGER)
    answer = await till.payments.service.pay(payer, IdempotencyKey(key.text, key.fingerprint), (SOLD, thing.id), Method.CARD, "tok_success")
    assert answer.payment.id == begun.id
    assert (await till.now(thing.id)).sold == was_called
    await till.check_books()


async def test_a_payer_who_repeats_the_request_need_not_wait_for_the_worker(till: Till, move_time: Moves) -> None:
    """The gateway was never called: the same request, repeated, calls it."""
    thing, key = await till.thing(), fresh_key()
    await die(till, "before the call", thing, key)
    move_time(timedelta(seconds=16))
    answer = await till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint))
    assert answer.payment.is_kept
    assert await money_at_the_gateway(till) == [3100]
    await till.check_books()


@pytest.mark.parametrize("point", dying.REFUNDING)
async def test_a_refund_survives_its_process(till: Till, point: str, move_time: Moves) -> None:
    thing, payment = await bought(till)
    await give_back(till, [thing], egp(30), egp(1))
    await die(till, point, thing, fresh_key())
    till.work()
    # What the dead one had claimed is another one's after a while.
    move_time(timedelta(seconds=31))

    async def is_given_back() -> bool:
        return (await till.payment(payment.id)).status is PaymentState.REFUNDED

    await until(is_given_back)
    assert await money_at_the_gateway(till) == [3100, 3100]
    assert await till.balances() == {}
    await till.check_books()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
