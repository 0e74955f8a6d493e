"""The word of a gateway, from whatever side and in whatever order it comes."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.payments.till import Thing, Till, until

from holdfast.common.money import Amount
from holdfast.payments import PaymentState, RefundReason
from holdfast.payments.gateway import Captured, Declined, Outcome, Pending, Unknown
from holdfast.payments.models import Payment, PaymentId
from holdfast.payments.states import PAYMENT, Settlement

Moves = Callable[[timedelta], None]
LATER = timedelta(minutes=30)


async def undecided(till: Till, thing: Thing) -> Payment:
    """A payment that the payer must decide on, and never does."""
    return (await till.pay(thing, "tok_3ds")).payment


def captured(payment: Payment, amount: Amount | None = None) -> Captured:
    return Captured(amount or payment.total, "ch_by_hand")


async def test_late_money_buys_what_is_still_free(till: Till, move_time: Moves) -> None:
    thing = await till.thing(can_be_retaken=True)
    payment = await undecided(till, thing)
    move_time(LATER)
    await till.outcomes.apply(payment.id, captured(payment))
    now = await till.payment(payment.id)
    assert (now.status, now.settlement) == (PaymentState.SUCCESS, Settlement.KEPT)
    assert (await till.now(thing.id)).sold == 1
    await till.check_books()


async def test_late_money_that_can_buy_nothing_goes_back_by_itself(till: Till, move_time: Moves) -> None:
    thing = await till.thing()
    begun = await till.pay(thing, "tok_late_webhook")
    move_time(LATER)

    async def is_captured() -> bool:
        return (await till.payment(begun.payment.id)).status is PaymentState.SUCCESS

    await until(is_captured)
    (refund,) = await till.refunds(begun.payment.id)
    assert (refund.reason, refund.total) == (RefundReason.TOO_LATE, begun.payment.total)
    assert (await till.now(thing.id)).sold == 0
    # Owed from the moment of its capture: nobody earned it.
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("REFUNDS_DUE", "EGP"): 3100}
    assert "PaymentSucceeded" not in await till.value("SELECT array_agg(name) FROM events")
    till.work()

    async def is_given_back() -> bool:
        return (await till.payment(begun.payment.id)).status is PaymentState.REFUNDED

    await until(is_given_back)
    assert await till.balances() == {}
    await till.check_books()


async def test_a_hold_that_lapses_while_its_money_is_applied_is_applied_again(till: Till) -> None:
    thing = await till.thing()
    payment = await undecided(till, thing)
    till.payable.lapses = 2
    answer = await till.outcomes.apply(payment.id, captured(payment))
    assert answer is not None
    assert answer.payment.settlement is Settlement.KEPT
    assert (await till.now(thing.id)).sold == 1
    assert await till.value("SELECT count(*) FROM events WHERE name = 'PaymentSucceeded'") == 1


async def test_another_amount_buys_nothing_and_goes_back(till: Till) -> None:
    thing = await till.thing()
    answer = await till.pay(thing, "tok_wrong_amount")
    assert answer.payment.settlement is Settlement.MISMATCH
    (refund,) = answer.refunds
    assert (refund.reason, refund.amount) == (RefundReason.MISMATCH, 3099)
    assert (await till.now(thing.id)).sold == 0
    # The thing can be paid for with another payment.
    assert (await till.pay(thing, "tok_success")).payment.is_kept
    await till.check_books()


async def test_another_currency_buys_nothing_and_goes_back_in_that_currency(till: Till) -> None:
    thing = await till.thing()
    payment = await undecided(till, thing)
    await till.outcomes.apply(payment.id, captured(payment, Amount("USD", payment.total_amount)))
    (refund,) = await till.refunds(payment.id)
    assert refund.total == Amount("USD", 3100)
    assert await till.balances() == {("GATEWAY", "USD"): -3100, ("REFUNDS_DUE", "USD"): 3100}


async def test_captured_is_heard_even_after_a_no(till: Till) -> None:
    thing = await till.thing()
    first = await till.pay(thing, "tok_late_capture")
    assert first.payment.status is PaymentState.FAILED

    async def is_captured() -> bool:
        return (await till.payment(first.payment.id)).status is PaymentState.SUCCESS

    await until(is_captured)
    assert (await till.payment(first.payment.id)).is_kept
    assert (await till.now(thing.id)).sold == 1
    await till.check_books()


async def test_of_two_captures_one_is_kept_and_the_other_goes_back(till: Till) -> None:
    thing = await till.thing()
    first = await till.pay(thing, "tok_late_capture")
    second = await till.pay(thing, "tok_success")
    assert second.payment.is_kept

    async def is_captured() -> bool:
        return (await till.payment(first.payment.id)).status is not PaymentState.FAILED

    await until(is_captured)
    (refund,) = await till.refunds(first.payment.id)
    assert refund.reason is RefundReason.ALREADY_PAID
    till.work()

    async def is_given_back() -> bool:
        return (await till.payment(first.payment.id)).status is PaymentState.REFUNDED

    await until(is_given_back)
    assert (await till.now(thing.id)).sold == 1
    assert await till.balances() == {("GATEWAY", "EGP"): -3100, ("PAYEE", "EGP"): 3000, ("FEES", "EGP"): 100}
    await till.check_books()


async def test_a_no_after_captured_changes_nothing(till: Till) -> None:
    thing = await till.thing()
    paid = await till.pay(thing, "tok_success")
    for word in (Declined("too late"), Unknown("who knows"), Pending(next_action="https://bank.example"), captured(paid.payment)):
        await till.outcomes.apply(paid.payment.id, word)
    assert await till.payment(paid.payment.id) == paid.payment
    assert (await till.now(thing.id)).failed == 0


async def test_a_word_about_nothing_of_ours_is_ignored(till: Till) -> None:
    assert await till.outcomes.apply(PaymentId.new(), Declined("whatever")) is None


WORDS: tuple[Callable[[Payment], Outcome], ...] = (
    captured,
    lambda _: Declined("no"),
    lambda _: Pending("ch_pending"),
    lambda _: Unknown("a timeout"),
)


async def test_in_whatever_order_the_words_come_captured_has_the_last(till: Till) -> None:
    for order in permutations(WORDS):
        thing = await till.thing()
        payment = await undecided(till, thing)
        for word in order:
            await till.outcomes.apply(payment.id, word(payment))
        now = await till.payment(payment.id)
        assert (now.status, now.unknown_since, now.next_action) == (PaymentState.SUCCESS, None, None)
        assert (await till.now(thing.id)).sold == 1
    await till.check_books()


@pytest.mark.parametrize("word", ["captured", "declined"])
@pytest.mark.parametrize("start", list(PaymentState))
async def test_every_pair_of_states_moves_as_the_table_says(till: Till, start: PaymentState, word: str) -> None:
    thing = await till.thing()
    payment = await undecided(till, thing)
    if start is PaymentState.FAILED:
        await till.outcomes.apply(payment.id, Declined("no"))
    if start in (PaymentState.SUCCESS, PaymentState.REFUNDED):
        await till.outcomes.apply(payment.id, captured(payment))
    if start is PaymentState.REFUNDED:
        # Kept money does not go back by itself; that of another amount does.
        thing = await till.thing()
        payment = (await till.pay(thing, "tok_wrong_amount")).payment
        await till.payments.refunds.do_due()
    before = await till.payment(payment.id)
    assert before.status is start
    target = PaymentState.SUCCESS if word == "captured" else PaymentState.FAILED
    await till.outcomes.apply(payment.id, captured(payment) if word == "captured" else Declined("no"))
    after = await till.payment(payment.id)
    assert after.status is (target if PAYMENT.allows(start, target) else start)
    await till.check_books()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=12))
async def test_whatever_comes_the_books_sum_to_zero(till: Till, story: list[tuple[int, int]]) -> None:
    """Three attempts to pay one thing, and words about them in any order, some at the same time."""
    thing = await till.thing()
    attempts: list[Payment] = []
    for _ in range(3):
        payment = await undecided(till, thing)
        await till.outcomes.apply(payment.id, Declined("no"))
        attempts.append(payment)
    await asyncio.gather(*(till.outcomes.apply(attempts[who].id, WORDS[what](attempts[who])) for who, what in story))
    was_captured = {who for who, what in story if what == 0}
    found = [await till.payment(payment.id) for payment in attempts]
    assert {place for place, payment in enumerate(found) if payment.status is PaymentState.SUCCESS} == was_captured
    assert len([payment for payment in found if payment.is_kept]) == min(len(was_captured), 1)
    await till.check_books()
