"""What ``payments`` asks before a payment is tried: one statement that counts, and a decision.

Counting is part of the transaction that begins the payment. An attempt that comes to nothing there is rolled back and was never counted;
of two that meet in two processes, the second waits for the first one's counters and is judged by them.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import Counter

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.common.actor import SYSTEM
from holdfast.database import Tx
from holdfast.fraud import decision, repository
from holdfast.fraud.events import FraudReviewOpened
from holdfast.fraud.models import Review, Rule
from holdfast.fraud.rules import KnownRules
from holdfast.payments.models import PaymentId
from holdfast.payments.screening import Attempt, Passed, Verdict
from holdfast.vault import Vault


class FraudScreening:
    """Judges attempts by the rules. ``fired`` is for Prometheus: how often each rule did."""

    def __init__(self, rules: KnownRules, vault: Vault) -> None:
        self._rules = rules
        self._vault = vault
        self.fired = Counter(
            "holdfast_fraud_rule_fired", "How often a fraud rule fired.", labelnames=("rule", "kind", "action"), registry=None
        )

    async def look(self) -> None:
        await self._rules.look()

    async def judge(self, tx: Tx, attempts: Sequence[Attempt]) -> Mapping[PaymentId, Verdict]:
        """Where no rule concerns them, the database is not asked."""
        rules = self._rules.enabled
        looks = {attempt.payment_id: decision.looks(rules, attempt, self._vault.hashed) for attempt in attempts}
        wanted = [look for own in looks.values() for look in own]
        if not wanted:
            return {attempt.payment_id: Passed() for attempt in attempts}
        judgement = decision.judge(attempts, looks, await repository.count_attempts(tx, wanted))
        if judgement.overcounted:
            await repository.take_back(tx, judgement.overcounted)
        if judgement.to_review:
            await _open_reviews(tx, judgement.to_review)
        for rule in judgement.fired:
            self.fired.labels(str(rule.id), rule.kind.value, rule.action.value).inc()
        return judgement.verdicts


async def _open_reviews(tx: Tx, wanted: Sequence[tuple[Attempt, Rule]]) -> None:
    opened = await repository.open_reviews(tx, wanted)
    await audit.record(tx, [Deed(SYSTEM, "fraud_review.opened", review.id, after=facts(review)) for review in opened])
    await events.publish(
        tx,
        [
            FraudReviewOpened(
                version=review.version,
                review_id=review.id,
                user_id=review.user_id,
                payable_kind=review.payable_kind,
                payable_id=review.payable_id,
                amount=review.total,
                state=review.state,
            )
            for review in opened
        ],
    )


def facts(review: Review) -> dict[str, object]:
    """What the audit log keeps of a review: never what anybody wrote."""
    return {
        "user_id": str(review.user_id),
        "rule_id": str(review.rule_id),
        "rule_kind": review.rule_kind.value,
        "amount": review.amount,
        "currency": review.currency,
        "state": review.state.value,
    }
