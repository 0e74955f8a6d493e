"""Each kind of rule at its boundary: what is allowed, one more, and the edge of its window."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.fraud.watch import ADMIN, HOUR, Watch, paid
from tests.payments.test_refunds import give_back
from tests.payments.till import fresh_key, somebody

from holdfast.common.money import Amount, egp
from holdfast.fraud.models import Rule, RuleAction, RuleKind
from holdfast.fraud.service import RuleTerms
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import PaymentState
from holdfast.payments.screening import Origin, PaymentNotPossible
from holdfast.payments.settling import PaymentAnswer

MoveTime = Callable[[timedelta], None]
SECOND = timedelta(seconds=1)

PHONE = Origin("203.0.113.7", "phone one")


async def test_attempts_per_person(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=3)
    person = somebody()
    for _ in range(3):
        assert paid(await watch.try_to_pay(person))
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)
    assert paid(await watch.try_to_pay(somebody()))
    # The window begins with the first attempt; what was refused has not made it longer.
    move_time(HOUR - 10 * SECOND)
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)
    move_time(10 * SECOND)
    for _ in range(3):
        assert paid(await watch.try_to_pay(person))
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)


async def test_failures_per_person(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.FAILURES_PER_PERSON, uses=2)
    person = somebody()
    for _ in range(2):
        assert paid(await watch.try_to_pay(person))
        await watch.count()
    for _ in range(2):
        declined = await watch.try_to_pay(person, "tok_decline_do_not_honor")
        assert isinstance(declined, PaymentAnswer)
        assert declined.payment.status is PaymentState.FAILED
        await watch.count()
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)
    move_time(HOUR)
    assert paid(await watch.try_to_pay(person))


async def test_what_is_not_decided_counts_as_failed(watch: Watch) -> None:
    await watch.rule(RuleKind.FAILURES_PER_PERSON, uses=1)
    person = somebody()
    pending = await watch.try_to_pay(person, "tok_3ds")
    assert isinstance(pending, PaymentAnswer)
    assert pending.payment.status is PaymentState.INITIATED
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)


async def test_a_success_from_before_the_window_takes_nothing_back(watch: Watch, move_time: MoveTime) -> None:
    rule = await watch.rule(RuleKind.FAILURES_PER_PERSON, uses=1)
    person = somebody()
    assert paid(await watch.try_to_pay(person))
    move_time(HOUR)
    await watch.try_to_pay(person, "tok_decline_do_not_honor")
    await watch.count()
    assert await watch.till.value("SELECT used FROM fraud_counters WHERE rule_id = :id", id=rule.id) == 1
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible)


@pytest.mark.parametrize("kind", [RuleKind.ATTEMPTS_PER_CARD, RuleKind.ATTEMPTS_PER_DEVICE, RuleKind.ATTEMPTS_PER_NETWORK])
async def test_attempts_per_card_device_and_network(watch: Watch, move_time: MoveTime, kind: RuleKind) -> None:
    """Whoever they say that they are."""
    await watch.rule(kind, uses=2)
    for _ in range(2):
        assert paid(await watch.try_to_pay(somebody(), origin=PHONE))
    assert isinstance(await watch.try_to_pay(somebody(), origin=PHONE), PaymentNotPossible)
    assert paid(await watch.try_to_pay(somebody(), "tok_webhook_first", origin=Origin("203.0.113.8", "phone two")))
    if kind is not RuleKind.ATTEMPTS_PER_CARD:
        assert paid(await watch.try_to_pay(somebody())), "an attempt that does not say is not concerned"
    move_time(HOUR)
    assert paid(await watch.try_to_pay(somebody(), origin=PHONE))


async def test_neighbours_in_a_network_are_one(watch: Watch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_NETWORK, uses=1)
    assert paid(await watch.try_to_pay(somebody(), origin=Origin("2001:db8:0:1::1")))
    assert isinstance(await watch.try_to_pay(somebody(), origin=Origin("2001:db8:0:1::2")), PaymentNotPossible)
    assert paid(await watch.try_to_pay(somebody(), origin=Origin("2001:db8:0:2::1")))


async def test_nothing_that_names_a_card_a_device_or_a_network_is_kept(watch: Watch) -> None:
    for kind in (RuleKind.ATTEMPTS_PER_CARD, RuleKind.ATTEMPTS_PER_DEVICE, RuleKind.ATTEMPTS_PER_NETWORK):
        await watch.rule(kind, uses=5)
    await watch.try_to_pay(somebody(), origin=PHONE)
    async with watch.till.database.transaction() as tx:
        subjects = [bytes(row["subject"]) for row in await tx.rows(text("SELECT subject FROM fraud_counters"))]
    assert [len(subject) for subject in subjects] == [32, 32, 32]
    assert not any(word in subject for subject in subjects for word in (b"tok_success", b"phone one", b"203.0.113.7"))


async def test_amount_above(watch: Watch) -> None:
    await watch.rule(RuleKind.AMOUNT_ABOVE, within=None, amount=egp(100))
    assert paid(await watch.try_to_pay(somebody(), pounds=100))
    assert isinstance(await watch.try_to_pay(somebody(), pounds=101), PaymentNotPossible)


async def test_total_per_person(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.TOTAL_PER_PERSON, within=timedelta(days=1), amount=egp(100))
    person = somebody()
    # What failed was not spent.
    await watch.try_to_pay(person, "tok_decline_do_not_honor", pounds=60)
    await watch.count()
    assert paid(await watch.try_to_pay(person, pounds=60))
    await watch.count()
    assert isinstance(await watch.try_to_pay(person, pounds=41), PaymentNotPossible)
    assert paid(await watch.try_to_pay(person, pounds=40))
    assert isinstance(await watch.try_to_pay(person, pounds=1), PaymentNotPossible)
    move_time(timedelta(days=1))
    assert paid(await watch.try_to_pay(person, pounds=100))


async def test_another_currency_is_not_concerned(watch: Watch) -> None:
    await watch.rule(RuleKind.AMOUNT_ABOVE, within=None, amount=Amount("USD", 1))
    assert paid(await watch.try_to_pay(somebody()))


async def test_refunds_per_person(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.REFUNDS_PER_PERSON, uses=1)
    person = somebody()
    for allowed in (True, True, False):
        answer = await watch.try_to_pay(person)
        assert paid(answer) is allowed
        if isinstance(answer, PaymentAnswer):
            thing = await watch.till.now(answer.payment.payable_id)
            await give_back(watch.till, [thing], egp(31), egp(0))
            await watch.count()
    move_time(HOUR)
    assert paid(await watch.try_to_pay(person))


async def test_first_payment_of_a_young_account(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.FIRST_OF_YOUNG_ACCOUNT)
    young, old, nobody_knows = somebody(), somebody(), somebody()
    await watch.sign_up(young, HOUR - 10 * SECOND)
    await watch.sign_up(old, HOUR)
    assert paid(await watch.try_to_pay(old))
    assert paid(await watch.try_to_pay(nobody_knows))
    assert isinstance(await watch.try_to_pay(young), PaymentNotPossible)
    move_time(10 * SECOND)
    assert paid(await watch.try_to_pay(young))


async def test_the_second_payment_of_a_young_account_is_not_the_first(watch: Watch) -> None:
    person = somebody()
    await watch.sign_up(person, SECOND)
    rule = await watch.rule(RuleKind.FIRST_OF_YOUNG_ACCOUNT, RuleAction.ALLOW)
    await watch.try_to_pay(person, "tok_decline_do_not_honor")
    await watch.count()
    rule = await _now(watch, rule, RuleAction.REFUSE)
    assert isinstance(await watch.try_to_pay(person), PaymentNotPossible), "what was declined was no payment"
    rule = await _now(watch, rule, RuleAction.ALLOW)
    assert paid(await watch.try_to_pay(person))
    await watch.count()
    await _now(watch, rule, RuleAction.REFUSE)
    assert paid(await watch.try_to_pay(person))


async def test_old_counters_are_forgotten(watch: Watch, move_time: MoveTime) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=3)
    await watch.try_to_pay(somebody())
    move_time(HOUR + timedelta(days=1) - 10 * SECOND)
    await watch.fraud.service.forget_old_counters()
    assert await watch.till.value("SELECT count(*) FROM fraud_counters") == 1
    move_time(10 * SECOND)
    await watch.fraud.service.forget_old_counters()
    assert await watch.till.value("SELECT count(*) FROM fraud_counters") == 0


async def test_a_repeated_request_is_one_attempt(watch: Watch) -> None:
    await watch.rule(RuleKind.ATTEMPTS_PER_PERSON, uses=1)
    thing, key = await watch.till.thing(somebody()), fresh_key()
    for _ in range(3):
        assert paid(await watch.till.pay(thing, "tok_success", IdempotencyKey(key.text, key.fingerprint)))


async def _now(watch: Watch, rule: Rule, action: RuleAction) -> Rule:
    return await watch.fraud.service.change_rule(ADMIN, None, rule.id, rule.version, RuleTerms(action=action))
