"""What the rules come to, without a database."""

from datetime import timedelta
from uuid import uuid4

import pytest

from holdfast.common.actor import UserId
from holdfast.common.money import Amount, egp
from holdfast.fraud.decision import Judgement, Look, Seen, judge, looks
from holdfast.fraud.models import Rule, RuleAction, RuleId, RuleKind
from holdfast.fraud.states import ReviewState
from holdfast.payments.models import Method, PaymentId
from holdfast.payments.screening import Attempt, Means, Origin, Passed, PaymentInReview, PaymentNotPossible

PERSON = UserId.new()
ALL_THAT_CAN_BE_SAID = Means(Method.CARD, "tok", Origin("203.0.113.7", "phone"))


def rule(
    kind: RuleKind, limit: int = 2, action: RuleAction = RuleAction.REFUSE, *, on_wallets: bool = False, currency: str = "EGP"
) -> Rule:
    of_money = kind in (RuleKind.AMOUNT_ABOVE, RuleKind.TOTAL_PER_PERSON)
    return Rule(
        RuleId.new(), kind, action, timedelta(hours=1), None if of_money else limit, limit if of_money else None,
        currency if of_money else None, 100, True, on_wallets,
    )  # fmt: skip


def attempt(amount: Amount | None = None, means: Means = ALL_THAT_CAN_BE_SAID, payer: UserId = PERSON) -> Attempt:
    return Attempt(PaymentId.new(), "booking", uuid4(), payer, amount or egp(0, 1), means)


def plainly(text: str, purpose: str) -> bytes:
    return f"{purpose}:{text}".encode()


def judged(
    rules: list[Rule], *attempts: Attempt, used_before: int = 0, decided: ReviewState | None = None, is_young: bool = False
) -> Judgement:
    """Judge as if every counter had so much before all of these."""
    own = {each.payment_id: looks(rules, each, plainly) for each in attempts}
    added: dict[object, int] = {}
    for look in _all(own):
        added[look.counter] = added.get(look.counter, 0) + look.adds
    return judge(
        attempts, own, {(look.counter, look.payer_id): Seen(used_before + added[look.counter], is_young, decided) for look in _all(own)}
    )


def _all(own: dict[PaymentId, list[Look]]) -> list[Look]:
    return [look for found in own.values() for look in found]


def verdicts(judgement: Judgement) -> list[object]:
    return [type(verdict) for verdict in judgement.verdicts.values()]


def passed(judgement: Judgement) -> list[bool]:
    return [isinstance(verdict, Passed) for verdict in judgement.verdicts.values()]


@pytest.mark.parametrize("kind", [kind for kind in RuleKind if kind.name.startswith(("ATTEMPTS", "FAILURES", "TOTAL"))])
def test_up_to_the_limit_and_no_further(kind: RuleKind) -> None:
    assert verdicts(judged([rule(kind, 5)], attempt(), used_before=4)) == [Passed]
    assert verdicts(judged([rule(kind, 5)], attempt(), used_before=5)) == [PaymentNotPossible]


def test_refunds_are_not_added_to_by_an_attempt() -> None:
    assert verdicts(judged([rule(RuleKind.REFUNDS_PER_PERSON, 5)], attempt(), used_before=5)) == [Passed]
    assert verdicts(judged([rule(RuleKind.REFUNDS_PER_PERSON, 5)], attempt(), used_before=6)) == [PaymentNotPossible]


def test_a_set_is_judged_in_the_order_of_arrival() -> None:
    judgement = judged([rule(RuleKind.ATTEMPTS_PER_PERSON, 3)], *(attempt() for _ in range(4)), used_before=1)
    assert passed(judgement) == [True, True, False, False]
    assert list(judgement.overcounted.values()) == [2]


def test_who_is_refused_by_one_rule_uses_up_nothing_of_another() -> None:
    total, attempts = rule(RuleKind.TOTAL_PER_PERSON, 100), rule(RuleKind.ATTEMPTS_PER_PERSON, 2)
    dear, cheap = attempt(Amount("EGP", 101)), Amount("EGP", 1)
    judgement = judged([total, attempts], attempt(cheap), dear, attempt(cheap))
    assert passed(judgement) == [True, False, True]
    assert judgement.overcounted == {(total.id, PERSON.bytes): 101, (attempts.id, PERSON.bytes): 1}


def test_of_two_that_stop_it_the_first_decides() -> None:
    refuse, review = rule(RuleKind.ATTEMPTS_PER_PERSON, 0), rule(RuleKind.FAILURES_PER_PERSON, 0, RuleAction.REVIEW)
    assert verdicts(judged([refuse, review], attempt())) == [PaymentNotPossible]
    assert verdicts(judged([review, refuse], attempt())) == [PaymentInReview]


def test_authentication_is_demanded_and_does_not_end_the_looking() -> None:
    authenticate = rule(RuleKind.ATTEMPTS_PER_PERSON, 0, RuleAction.AUTHENTICATE)
    judgement = judged([authenticate], attempt())
    assert list(judgement.verdicts.values()) == [Passed(authenticate=True)]
    refuse = rule(RuleKind.FAILURES_PER_PERSON, 0)
    assert verdicts(judged([authenticate, refuse], attempt())) == [PaymentNotPossible]


def test_a_rule_on_trial_is_only_measured() -> None:
    trial = rule(RuleKind.ATTEMPTS_PER_PERSON, 0, RuleAction.ALLOW)
    judgement = judged([trial], attempt())
    assert list(judgement.verdicts.values()) == [Passed()]
    assert judgement.fired == [trial]


@pytest.mark.parametrize(
    ("decided", "verdict", "reviews"),
    [(None, PaymentInReview, 1), (ReviewState.ALLOWED, Passed, 0), (ReviewState.DENIED, PaymentNotPossible, 0)],
)
def test_what_an_admin_decided_stands(decided: ReviewState | None, verdict: type, reviews: int) -> None:
    judgement = judged([rule(RuleKind.ATTEMPTS_PER_PERSON, 0, RuleAction.REVIEW)], attempt(), decided=decided)
    assert verdicts(judgement) == [verdict]
    assert len(judgement.to_review) == reviews


def test_only_who_says_it_is_counted_by_it() -> None:
    silent = attempt(means=Means(Method.CARD))
    assert [look.rule.kind for look in looks([rule(kind) for kind in RuleKind], silent, plainly)] == [
        RuleKind.ATTEMPTS_PER_PERSON,
        RuleKind.FAILURES_PER_PERSON,
        RuleKind.AMOUNT_ABOVE,
        RuleKind.FIRST_OF_YOUNG_ACCOUNT,
        RuleKind.TOTAL_PER_PERSON,
        RuleKind.REFUNDS_PER_PERSON,
    ]
    assert len(looks([rule(kind) for kind in RuleKind], attempt(), plainly)) == len(RuleKind)


def test_wallets_are_concerned_only_where_a_rule_says_so() -> None:
    out_of_a_wallet = attempt(means=Means(Method.WALLET))
    assert looks([rule(RuleKind.ATTEMPTS_PER_PERSON)], out_of_a_wallet, plainly) == []
    assert len(looks([rule(RuleKind.ATTEMPTS_PER_PERSON, on_wallets=True)], out_of_a_wallet, plainly)) == 1


def test_another_currency_is_no_amount_of_this_one() -> None:
    assert looks([rule(RuleKind.TOTAL_PER_PERSON, currency="USD")], attempt(), plainly) == []


def test_first_of_a_young_account() -> None:
    young = [rule(RuleKind.FIRST_OF_YOUNG_ACCOUNT)]
    assert verdicts(judged(young, attempt(), is_young=True)) == [PaymentNotPossible]
    assert verdicts(judged(young, attempt(), is_young=False)) == [Passed]
    assert verdicts(judged(young, attempt(), is_young=True, used_before=1)) == [Passed]
