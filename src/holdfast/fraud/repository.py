"""The statements of rules, counters and reviews, one function each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.fraud.decision import CounterKey, Look, Seen
from holdfast.fraud.models import DECISION_STANDS, Review, ReviewId, Rule, RuleId, RuleKind
from holdfast.fraud.states import ReviewState
from holdfast.payments.models import PaymentId
from holdfast.payments.screening import Attempt

SQL = queries(__file__)

_NO_WINDOW = timedelta(0)


class _SeenRow(Struct, frozen=True):
    rule_id: RuleId
    subject: bytes
    payer_id: UserId
    used: int
    is_young: bool
    decided: ReviewState | None


class _CounterRow(Struct, frozen=True):
    rule_id: RuleId
    subject: bytes
    amount: int


async def rules(tx: Tx) -> list[Rule]:
    """Every rule, enabled or not, in the order in which they are looked at."""
    return await tx.all(SQL.rules, Rule)


async def lock_rule(tx: Tx, rule_id: RuleId) -> Rule | None:
    return await tx.first(SQL.lock_rule, Rule, id=rule_id)


async def insert_rule(tx: Tx, rule: Rule) -> None:
    await tx.run(SQL.insert_rule, kind=rule.kind.value, **_facts(rule))


async def update_rule(tx: Tx, rule: Rule) -> Rule:
    updated = await tx.first(SQL.update_rule, Rule, **_facts(rule))
    assert updated is not None, "the row is locked"
    return updated


async def delete_rule(tx: Tx, rule_id: RuleId) -> None:
    await tx.run(SQL.delete_rule, id=rule_id)


def _facts(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "action": rule.action.value,
        "within": rule.within,
        "uses_max": rule.uses_max,
        "amount_max": rule.amount_max,
        "currency": rule.currency,
        "priority": rule.priority,
        "is_enabled": rule.is_enabled,
        "on_wallets": rule.on_wallets,
    }


async def count_attempts(tx: Tx, looks: Sequence[Look]) -> dict[tuple[CounterKey, UserId], Seen]:
    """Add to every counter what attempts add to it, and read it, with what else is to be known of the payers."""
    rows = await tx.all(
        SQL.count_attempts,
        _SeenRow,
        rule_ids=[look.rule.id for look in looks],
        subjects=[look.subject for look in looks],
        withins=[look.rule.within or _NO_WINDOW for look in looks],
        adds=[look.adds for look in looks],
        payer_ids=[look.payer_id for look in looks],
    )
    return {((row.rule_id, row.subject), row.payer_id): Seen(row.used, row.is_young, row.decided) for row in rows}


async def take_back(tx: Tx, amounts: Mapping[CounterKey, int]) -> None:
    """Take from counters what they have too much. They are locked."""
    await tx.run(
        SQL.take_back,
        rule_ids=[rule_id for rule_id, _ in amounts],
        subjects=[subject for _, subject in amounts],
        amounts=list(amounts.values()),
    )


async def lock_decided(tx: Tx, succeeded: Sequence[PaymentId], failed: Sequence[PaymentId]) -> list[tuple[CounterKey, int]]:
    """What counters have too much since it is known what became of these payments. They are locked."""
    rows = await tx.all(SQL.lock_decided, _CounterRow, succeeded=list(succeeded), failed=list(failed))
    return [((row.rule_id, row.subject), row.amount) for row in rows]


async def count_people(tx: Tx, kind: RuleKind, times: Mapping[UserId, int]) -> None:
    """Add to the counters of people under every rule of a kind."""
    await tx.run(SQL.count_people, kind=kind.value, user_ids=list(times), times=list(times.values()))


async def delete_old_counters(tx: Tx, age: timedelta) -> int:
    """Some of them; 0 where there are no more."""
    return await tx.run(SQL.delete_old_counters, age=age)


async def open_reviews(tx: Tx, wanted: Sequence[tuple[Attempt, Rule]]) -> list[Review]:
    """Reviews of attempts under rules; those that are new, since one person has one open review for each rule."""
    return await tx.all(
        SQL.open_reviews,
        Review,
        ids=[ReviewId.new() for _ in wanted],
        user_ids=[attempt.payer_id for attempt, _ in wanted],
        rule_ids=[rule.id for _, rule in wanted],
        rule_kinds=[rule.kind.value for _, rule in wanted],
        payable_kinds=[attempt.payable_kind for attempt, _ in wanted],
        payable_ids=[attempt.payable_id for attempt, _ in wanted],
        amounts=[attempt.amount.minor for attempt, _ in wanted],
        currencies=[attempt.amount.currency for attempt, _ in wanted],
        methods=[attempt.means.method.value for attempt, _ in wanted],
    )


async def list_reviews(tx: Tx, state: ReviewState | None, before: ReviewId | None, limit: int) -> list[Review]:
    return await tx.all(SQL.list_reviews, Review, state=state and state.value, before=before, limit=limit)


async def lock_review(tx: Tx, review_id: ReviewId) -> Review | None:
    return await tx.first(SQL.lock_review, Review, id=review_id)


async def decide_review(tx: Tx, review_id: ReviewId, state: ReviewState, note: str, decided_by: UserId) -> Review:
    decided = await tx.first(
        SQL.decide_review, Review, id=review_id, state=state.value, note=note, decided_by=decided_by, stands=DECISION_STANDS
    )
    assert decided is not None, "the row is locked"
    return decided
