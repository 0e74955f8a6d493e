"""Money that goes back."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import product

import psycopg
import pytest
from tests.payments.till import SOLD, Thing, Till, somebody, until

from holdfast.common.actor import Actor
from holdfast.common.money import Amount, egp
from holdfast.database import NetworkInsideTransaction
from holdfast.payments import PaymentState, Refund, RefundReason, RefundRequest, RefundState, refunds, takings
from holdfast.payments.gateway import Declined, Known, Pending, Refunded, RefundOutcome, Unknown
from holdfast.payments.models import Payment, PaymentId, RefundId
from holdfast.payments.states import REFUND

Moves = Callable[[timedelta], None]


async def give_back(till: Till, things: Sequence[Thing], fare: Amount, fee: Amount, actor: Actor | None = None) -> list[Refund]:
    """What a cancellation does: lock the things, then owe money back for them."""
    async with till.database.transaction() as tx:
        await till.payable.lock(tx, [thing.id for thing in things], settling=False)
        wanted = [RefundRequest(SOLD, thing.id, fare, fee, RefundReason.CANCELLED_BY_CUSTOMER) for thing in things]
        return await refunds.request(tx, actor or somebody(), wanted)


async def bought(till: Till, token: str = "tok_success") -> tuple[Thing, Payment]:
    thing = await till.thing()
    return thing, (await till.pay(thing, token)).payment


async def settles(till: Till, refund: Refund, state: RefundState) -> Refund:
    async def is_so() -> bool:
        return (await _now(till, refund)).status is state

    await until(is_so)
    return await _now(till, refund)


async def _now(till: Till, refund: Refund) -> Refund:
    return next(found for found in await till.refunds(refund.payment_id) if found.id == refund.id)


async def test_the_fare_goes_back_and_the_fee_stays(till: Till) -> None:
    thing, payment = await bought(till)
    actor = somebody()
    (refund,) = await give_back(till, [thing], egp(30), egp(0), actor)
    # Owed at once, in the commit that asked for it; the gateway is asked after.
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("FEES", "EGP"): 100, ("REFUNDS_DUE", "EGP"): 3000}
    assert await till.value("SELECT actor_id FROM audit_logs WHERE action = 'refund.requested'") == actor.id
    assert await till.payments.refunds.do_due() == 1
    done = await settles(till, refund, RefundState.SUCCESS)
    assert done.refunded_at is not None
    now = await till.payment(payment.id)
    assert (now.status, now.refunded_amount) == (PaymentState.SUCCESS, 3000)
    assert await till.balances() == {("GATEWAY", "EGP"): -100, ("FEES", "EGP"): 100}
    await till.check_books()


async def test_when_all_went_back_the_payment_is_refunded(till: Till) -> None:
    thing, payment = await bought(till)
    for fare, fee in ((egp(10), egp(0)), (egp(20), egp(1))):
        await give_back(till, [thing], fare, fee)
        assert await till.payments.refunds.do_due() == 1
    assert (await till.payment(payment.id)).status is PaymentState.REFUNDED
    assert await till.balances() == {}
    assert await till.value("SELECT array_agg(body->>'in_full' ORDER BY position) FROM events WHERE name = 'PaymentRefunded'") == [
        "false",
        "true",
    ]
    await till.check_books()


async def test_many_at_once_as_a_called_off_session_does(till: Till) -> None:
    things = [(await bought(till))[0] for _ in range(5)]
    unpaid = await till.thing()
    asked = await give_back(till, [*things, unpaid], egp(30), egp(1))
    assert len(asked) == 5
    assert await till.payments.refunds.do_due() == 5
    assert await till.balances() == {}
    assert await till.value("SELECT count(*) FROM payments WHERE status = 'REFUNDED'") == 5
    await till.check_books()


async def test_nothing_goes_back_for_nothing(till: Till) -> None:
    thing, _ = await bought(till)
    declined = await till.thing()
    await till.pay(declined, "tok_decline_expired_card")
    assert await give_back(till, [thing], egp(0), egp(0)) == []
    assert await give_back(till, [declined], egp(30), egp(1)) == []


async def test_never_more_goes_back_than_came(till: Till) -> None:
    thing, payment = await bought(till)
    await give_back(till, [thing], egp(20), egp(0))
    with pytest.raises(psycopg.errors.CheckViolation):
        await give_back(till, [thing], egp(11), egp(1))
    assert (await till.payment(payment.id)).refund_amount == 2000


@pytest.mark.parametrize("token", ["tok_refund_timeout_done", "tok_refund_error_500_done", "tok_refund_pending"])
async def test_the_worker_goes_on_until_the_gateway_has_said_so(till: Till, token: str) -> None:
    thing, payment = await bought(till, token)
    (refund,) = await give_back(till, [thing], egp(30), egp(1))
    till.work()
    await settles(till, refund, RefundState.SUCCESS)
    assert (await till.payment(payment.id)).status is PaymentState.REFUNDED
    moved = [item async for item in till.gateway.list_settled(payment.created_at - timedelta(minutes=1))]
    assert [item.amount.minor for item in moved] == [3100, 3100]
    await till.check_books()


async def test_a_refund_that_trips_us_leaves_its_neighbours_alone(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = await give_back(till, [(await bought(till))[0] for _ in range(4)], egp(30), egp(1))
    whole = till.gateway.refund

    async def trips(refund_id: RefundId, payment_id: PaymentId, amount: Amount, known: Known) -> RefundOutcome:
        if refund_id == asked[0].id:
            raise ValueError("a fault of ours")
        return await whole(refund_id, payment_id, amount, known)

    monkeypatch.setattr(till.gateway, "refund", trips)
    assert await till.payments.refunds.do_due() == 4
    assert [(await _now(till, refund)).status for refund in asked] == [RefundState.REQUESTED, *[RefundState.SUCCESS] * 3]


async def test_what_cannot_be_given_back_stays_owed(till: Till) -> None:
    thing, payment = await bought(till, "tok_refund_declined")
    (refund,) = await give_back(till, [thing], egp(30), egp(0))
    till.work()
    failed = await settles(till, refund, RefundState.FAILED)
    assert failed.decline_reason == "refund_not_possible"
    assert (await till.payment(payment.id)).status is PaymentState.SUCCESS
    assert (await till.balances())[("REFUNDS_DUE", "EGP")] == 3000
    assert await till.value("SELECT count(*) FROM events WHERE name = 'RefundDeclined'") == 1
    await till.check_books()


async def test_every_pair_of_states_moves_as_the_table_says(till: Till) -> None:
    words: dict[RefundOutcome, RefundState | None] = {
        Refunded("re_1"): RefundState.SUCCESS,
        Declined("no"): RefundState.FAILED,
        Pending("re_1"): None,
        Unknown("a timeout"): None,
    }
    for start, (word, target) in product(RefundState, words.items()):
        thing, _ = await bought(till)
        (refund,) = await give_back(till, [thing], egp(30), egp(0))
        if start is not RefundState.REQUESTED:
            await till.payments.refunds.apply(refund.id, Refunded("re_0") if start is RefundState.SUCCESS else Declined("no"))
        after = await till.payments.refunds.apply(refund.id, word)
        assert after is not None
        assert after.status is (target if target is not None and REFUND.allows(start, target) else start)
    await till.check_books()


async def test_a_word_about_no_refund_of_ours_is_ignored(till: Till) -> None:
    assert await till.payments.refunds.apply(RefundId.new(), Refunded("re_1")) is None


async def test_a_refund_is_retried_at_a_slower_and_slower_pace(till: Till, move_time: Moves) -> None:
    thing, _ = await bought(till)
    await give_back(till, [thing], egp(30), egp(0))
    address = till.gateway._connection._client.base_url
    till.gateway._connection._client.base_url = "http://127.0.0.1:1"
    waits = []
    for _ in range(12):
        move_time(timedelta(minutes=11))
        assert await till.payments.refunds.do_due() == 1
        waits.append(await till.value("SELECT round(extract(epoch FROM ask_after - business_now()))::integer FROM refunds"))
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    till.gateway._connection._client.base_url = address
    move_time(timedelta(minutes=11))
    await till.payments.refunds.do_due()
    assert await till.value("SELECT status FROM refunds") == "SUCCESS"


async def test_no_gateway_is_called_inside_a_transaction(till: Till) -> None:
    thing, payment = await bought(till)
    async with till.database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await till.gateway.refund(RefundId.new(), payment.id, egp(1))
        with pytest.raises(NetworkInsideTransaction):
            await till.gateway.find(payment.id)
        with pytest.raises(NetworkInsideTransaction):
            await till.gateway.charge(payment.id, egp(1), "tok_success", None)
    assert (await till.now(thing.id)).sold == 1


async def test_what_a_set_of_things_brought_in(till: Till) -> None:
    kept, half_back = (await bought(till))[0], (await bought(till))[0]
    called_off, never_paid = (await bought(till))[0], await till.thing()
    await give_back(till, [half_back], egp(30), egp(0))
    await give_back(till, [called_off], egp(30), egp(1))
    async with till.database.transaction() as tx:
        (found,) = await takings(tx, SOLD, [thing.id for thing in (kept, half_back, called_off, never_paid)], locked=True)
    assert (found.captured, found.refunded, found.gross, found.fees, found.net) == (9300, 6100, 3200, 200, 3000)
    async with till.database.transaction() as tx:
        assert await takings(tx, SOLD, [never_paid.id]) == []
        assert await takings(tx, SOLD, []) == []


async def test_refunds_of_two_workers_and_a_webhook_are_one(till: Till) -> None:
    thing, payment = await bought(till)
    (refund,) = await give_back(till, [thing], egp(30), egp(1))
    await asyncio.gather(*(till.payments.refunds.apply(refund.id, Refunded("re_1")) for _ in range(20)))
    assert (await till.payment(payment.id)).refunded_amount == 3100
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentRefunded'") == 1
    await till.check_books()
