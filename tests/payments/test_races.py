"""The same money from several sides at once, each time also without the guard that decides it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import psycopg
import pytest
from sqlalchemy import text
from tests.controls import without
from tests.payments import guards
from tests.payments.test_refunds import bought, give_back
from tests.payments.test_webhooks import send, told
from tests.payments.till import LockedThings, Thing, ThingGone, Till, fresh_key
from tests.races import guarded_and, race

from holdfast import ledger
from holdfast.common.errors import Overloaded, Refusal
from holdfast.common.money import egp
from holdfast.database import Database, Tx
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import StillRunning
from holdfast.payments import PaymentState, module
from holdfast.payments.errors import PaymentRunning
from holdfast.payments.gateway import Captured, Gateways, Refunded
from holdfast.payments.models import Payment, PaymentId
from holdfast.payments.module import PaymentsModule
from holdfast.payments.payable import Arrived, Effect, Settled

assert guards

PRESSES = 12


@asynccontextmanager
async def another_process(till: Till, database_url: str) -> AsyncIterator[PaymentsModule]:
    """The same payments as another process sees them, with connections of its own."""
    database = Database(database_url, name="test two")
    yield module.build(database, till.payables, Gateways(till.gateway))
    await database.close()


class Meeting:
    """Lets transactions into the effect together: each waits until another one is there too, or it is clear that none can be."""

    def __init__(self, wait_s: float = 0.3) -> None:
        self._arrived = asyncio.Event()
        self._inside = 0
        self._wait_s = wait_s

    async def __call__(self) -> None:
        self._inside += 1
        if self._inside > 1:
            self._arrived.set()
        try:
            async with asyncio.timeout(self._wait_s):
                await self._arrived.wait()
        except TimeoutError:
            return


async def decided_at_the_gateway(till: Till) -> tuple[Thing, Payment, IdempotencyKey]:
    """A payment that the gateway has captured, which nobody here knows yet."""
    thing, key = await till.thing(), fresh_key()
    begun = await till.pay(thing, "tok_error_500_done", key)
    assert begun.payment.status is PaymentState.INITIATED
    return thing, begun.payment, IdempotencyKey(key.text, key.fingerprint)


@guarded_and("payments.without_state_check")
async def test_an_outcome_from_four_sides_is_one(
    till: Till, database_url: str, owner_url: str, guard: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call's answer, webhooks, the workers of two processes and a repeated request bring the same word at the same moment."""
    thing, payment, key = await decided_at_the_gateway(till)
    till.payable.before_effect = Meeting()
    till.payable.is_locking = guard is None
    async with without(guard, owner_url), another_process(till, database_url) as other:
        await _ask_now(till)
        sides = [
            till.outcomes.apply(payment.id, Captured(payment.total, "ch_1")),
            till.outcomes.apply(payment.id, Captured(payment.total, "ch_1")),
            send(till, told(payment), event_id="msg_1"),
            send(till, told(payment), event_id="msg_2"),
            till.payments.reconciler.ask_for_unanswered(),
            other.reconciler.ask_for_unanswered(),
            _press(till, thing, key),
        ]
        await asyncio.gather(*sides, return_exceptions=True)
    effects = (await till.now(thing.id)).sold
    told_once = await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'")
    if guard is None:
        assert (effects, told_once) == (1, 1)
        await till.check_books()
    else:
        assert effects > 1


@guarded_and("payments.without_one_live")
async def test_many_presses_on_pay_are_one_charge(till: Till, owner_url: str, guard: str | None) -> None:
    """Different keys: the payer really asked several times."""

    async def once() -> str:
        thing = await till.thing()
        answers = await asyncio.gather(*(till.pay(thing, "tok_success") for _ in range(PRESSES)), return_exceptions=True)
        assert all(isinstance(answer, PaymentRunning | ThingGone) for answer in answers if isinstance(answer, BaseException)), answers
        charges = [item async for item in till.gateway.list_settled((await till.attempts(thing))[0].created_at - timedelta(minutes=1))]
        return f"{len(charges)} charges" if len(charges) != 1 else ""

    await race(once, guard, owner_url)
    # Whatever happened before, what cannot be kept goes back.
    await till.check_books()


@guarded_and("payments.without_one_kept")
async def test_of_many_captures_one_is_kept(till: Till, owner_url: str, guard: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts that failed are captured after all, all at once."""
    thing = await till.thing()
    attempts = [(await till.pay(thing, "tok_decline_do_not_honor")).payment for _ in range(4)]
    if guard is not None:
        monkeypatch.setattr(LockedThings, "captured", _sells_to_everybody)
    async with without(guard, owner_url):
        await asyncio.gather(*(till.outcomes.apply(payment.id, Captured(payment.total, "ch")) for payment in attempts))
    kept = [payment for payment in await till.attempts(thing) if payment.is_kept]
    if guard is None:
        assert len(kept) == 1
        assert len([payment for payment in await till.attempts(thing) if payment.refund_amount == 3100]) == 3
        await till.check_books()
    else:
        assert len(kept) > 1


@guarded_and("payments.without_refund_wall")
async def test_many_cancellations_give_back_once(till: Till, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        thing, payment = await bought(till)
        answers = await asyncio.gather(*(give_back(till, [thing], egp(30), egp(0)) for _ in range(PRESSES)), return_exceptions=True)
        given = [answer for answer in answers if not isinstance(answer, BaseException)]
        assert all(isinstance(answer, psycopg.errors.CheckViolation) for answer in answers if isinstance(answer, BaseException)), answers
        owed = (await till.payment(payment.id)).refund_amount
        assert owed == 3000 * len(given)
        return f"{len(given)} refunds of {owed}" if len(given) != 1 else ""

    await race(once, guard, owner_url)


@guarded_and("payments.without_refund_lock")
async def test_a_refund_told_from_many_sides_is_counted_once(till: Till, database_url: str, owner_url: str, guard: str | None) -> None:
    async with another_process(till, database_url) as other:

        async def once() -> str:
            thing, payment = await bought(till)
            (refund,) = await give_back(till, [thing], egp(10), egp(0))
            body = msgspec.json.encode(
                {"type": "refund.done", "data": {"id": str(refund.id), "reference": "re_1", "status": "done", "reason": None}}
            )
            words = [desk.refunds.apply(refund.id, Refunded("re_1")) for _ in range(PRESSES) for desk in (till.payments, other)]
            results = await asyncio.gather(*words, send(till, body), till.payments.refunds.do_due(), return_exceptions=True)
            assert not [each for each in results if isinstance(each, BaseException) and not isinstance(each, Overloaded)], results
            counted = (await till.payment(payment.id)).refunded_amount
            return f"{counted} of 1000 counted" if counted != 1000 else ""

        await race(once, guard, owner_url)
    if guard is None:
        await till.check_books()


@guarded_and("ledger.without_id")
async def test_what_is_booked_twice_at_once_counts_once(till: Till, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        booked = ledger.Transaction(
            PaymentId.new(), ledger.Purpose.CAPTURE, await till.value("SELECT business_now()"),
            (ledger.Entry(ledger.Account.gateway("sandbox"), egp(-5)), ledger.Entry(ledger.FEES, egp(5))),
        )  # fmt: skip

        async def book() -> int:
            async with till.database.transaction() as tx:
                return await ledger.post(tx, [booked])

        written = sum(await asyncio.gather(*(book() for _ in range(8))))
        return f"{written} entries" if written != 2 else ""

    await race(once, guard, owner_url)


async def _press(till: Till, thing: Thing, key: IdempotencyKey) -> object:
    try:
        return await till.pay(thing, "tok_error_500_done", key)
    except (StillRunning, Refusal) as refused:
        return refused


async def _ask_now(till: Till) -> None:
    async with till.database.transaction() as tx:
        await tx.run(text("UPDATE payments SET ask_after = business_now() - interval '1 second'"))


async def _sells_to_everybody(_things: LockedThings, _tx: Tx, payments: Sequence[Arrived]) -> dict[PaymentId, Effect]:
    return {payment.id: Settled() for payment in payments}
