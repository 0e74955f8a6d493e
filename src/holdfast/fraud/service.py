"""What admins do about fraud: change rules, and decide what rules wanted somebody to look at."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, retried
from holdfast.fraud import repository
from holdfast.fraud.errors import ReviewUnknown, RuleUnknown, TooManyRules
from holdfast.fraud.events import FraudReviewDecided
from holdfast.fraud.models import RULES_MAX, WITH_AMOUNT, WITH_USES, WITH_WINDOW, Review, ReviewId, Rule, RuleAction, RuleId, RuleKind
from holdfast.fraud.rules import KnownRules
from holdfast.fraud.screening import facts
from holdfast.fraud.states import REVIEW, ReviewState
from holdfast.idempotency import IdempotencyKey

COUNTERS_KEPT = timedelta(days=1)


class RuleTerms(Struct, frozen=True):
    """What is to be said about a rule. None leaves it as it is, or, in a new rule, at what is usual."""

    action: RuleAction | None = None
    within: timedelta | None = None
    uses_max: int | None = None
    amount_max: Amount | None = None
    priority: int | None = None
    is_enabled: bool | None = None
    on_wallets: bool | None = None


PRIORITY_DEFAULT = 100


class FraudService:
    """The use cases of admins."""

    def __init__(self, database: Database, known: KnownRules) -> None:
        self._database = database
        self._known = known

    @retried
    async def list_rules(self) -> Sequence[Rule]:
        """Every rule, in the order in which they are looked at."""
        async with self._database.reading() as tx:
            return await repository.rules(tx)

    @retried
    async def add_rule(self, actor: Actor, key: IdempotencyKey | None, kind: RuleKind, action: RuleAction, terms: RuleTerms) -> Rule:
        """A new rule, known everywhere within a second. Raises Invalid, TooManyRules."""
        fresh = Rule(
            id=RuleId.new(), kind=kind, action=action, within=None, uses_max=None, amount_max=None, currency=None,
            priority=PRIORITY_DEFAULT, is_enabled=True, on_wallets=False,
        )  # fmt: skip
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Rule) as once:
            if once.replay:
                return once.replay
            rule = _with(fresh, terms)
            if len(await repository.rules(tx)) >= RULES_MAX:
                raise TooManyRules(rules_max=RULES_MAX)
            await repository.insert_rule(tx, rule)
            await audit.record(tx, [Deed(actor, "fraud_rule.added", rule.id, after=_rule_facts(rule))])
            once.keep(rule)
        self._known.distrust()
        return rule

    @retried
    async def change_rule(self, actor: Actor, key: IdempotencyKey | None, rule_id: RuleId, version: int, terms: RuleTerms) -> Rule:
        """Change what a rule says; its kind stays. Raises RuleUnknown, Outdated, Invalid."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Rule) as once:
            if once.replay:
                return once.replay
            before = await repository.lock_rule(tx, rule_id)
            if before is None:
                raise RuleUnknown
            if before.version != version:
                raise Outdated
            after = await repository.update_rule(tx, _with(before, terms))
            await audit.record(tx, [Deed(actor, "fraud_rule.changed", rule_id, before=_rule_facts(before), after=_rule_facts(after))])
            once.keep(after)
        self._known.distrust()
        return after

    @retried
    async def delete_rule(self, actor: Actor, rule_id: RuleId) -> None:
        """Take a rule away; to do without it for a while, disable it. Raises RuleUnknown."""
        async with self._database.transaction() as tx:
            before = await repository.lock_rule(tx, rule_id)
            if before is None:
                raise RuleUnknown
            await repository.delete_rule(tx, rule_id)
            await audit.record(tx, [Deed(actor, "fraud_rule.deleted", rule_id, before=_rule_facts(before))])
        self._known.distrust()

    @retried
    async def list_reviews(self, actor: Actor, page: PageRequest, *, state: ReviewState | None = None) -> Page[Review]:
        """What rules wanted somebody to look at, newest first. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            rows = await repository.list_reviews(tx, state, page.after(ReviewId), page.limit + 1)
            found = Page.cut(rows, page, lambda review: encode_cursor(str(review.id)))
            await audit.record(tx, [Deed(actor, "fraud_review.viewed", review.id) for review in found.rows])
        return found

    @retried
    async def decide(self, actor: Actor, key: IdempotencyKey | None, review_id: ReviewId, state: ReviewState, note: str) -> Review:
        """Let a person pass a rule for a day, or not. They are told and have to pay again. Raises ReviewUnknown, ReviewDecidedAlready."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Review) as once:
            if once.replay:
                return once.replay
            before = await repository.lock_review(tx, review_id)
            if before is None:
                raise ReviewUnknown
            after = await repository.decide_review(tx, review_id, REVIEW.move(before.state, to=state), note, actor.id)
            await audit.record(tx, [Deed(actor, "fraud_review.decided", review_id, before=facts(before), after=facts(after))])
            await events.publish(
                tx,
                [
                    FraudReviewDecided(
                        version=after.version,
                        review_id=after.id,
                        user_id=after.user_id,
                        payable_kind=after.payable_kind,
                        payable_id=after.payable_id,
                        amount=after.total,
                        state=after.state,
                    )
                ],
            )
            return once.keep(after)

    async def forget_old_counters(self) -> None:
        """Delete the counters of windows that are over, a batch in each commit."""
        deleted = 1
        while deleted:
            async with self._database.transaction() as tx:
                deleted = await repository.delete_old_counters(tx, COUNTERS_KEPT)


def _with(rule: Rule, terms: RuleTerms) -> Rule:
    """The rule with what was said about it. Raises Invalid where its kind knows no such thing, or lacks one."""
    said = {
        "action": terms.action,
        "within": terms.within,
        "uses_max": terms.uses_max,
        "amount_max": terms.amount_max and terms.amount_max.minor,
        "currency": terms.amount_max and terms.amount_max.currency,
        "priority": terms.priority,
        "is_enabled": terms.is_enabled,
        "on_wallets": terms.on_wallets,
    }
    changed = replace(rule, **{name: value for name, value in said.items() if value is not None})
    parts = (
        ("withinSeconds", changed.within, WITH_WINDOW),
        ("limit", changed.uses_max, WITH_USES),
        ("amount", changed.amount_max, WITH_AMOUNT),
    )
    faults = [
        (field, f"A rule of kind {rule.kind} needs it." if value is None else f"A rule of kind {rule.kind} has none.")
        for field, value, kinds in parts
        if (value is None) == (rule.kind in kinds)
    ]
    if faults:
        raise Invalid(*faults)
    return changed


def _rule_facts(rule: Rule) -> dict[str, object]:
    return {
        "kind": rule.kind.value,
        "action": rule.action.value,
        "within_s": int(rule.within.total_seconds()) if rule.within else None,
        "uses_max": rule.uses_max,
        "amount_max": rule.amount_max,
        "currency": rule.currency,
        "priority": rule.priority,
        "is_enabled": rule.is_enabled,
        "on_wallets": rule.on_wallets,
    }
