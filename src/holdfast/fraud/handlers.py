"""What became of payments and how often people wanted their money back, counted from the event log."""

from collections import Counter
from collections.abc import Sequence

from holdfast.common.actor import UserId
from holdfast.database import Tx
from holdfast.events import Event, Recorded
from holdfast.fraud import repository
from holdfast.fraud.decision import CounterKey
from holdfast.fraud.models import RuleKind
from holdfast.payments.events import PaymentFailed, PaymentSucceeded, RefundRequested
from holdfast.payments.states import RefundReason


class FraudCounts:
    """Corrects the counters that began with the worst, and keeps those of refunds and of payments that succeeded."""

    name = "fraud"
    wants: frozenset[type[Event]] = frozenset({PaymentSucceeded, PaymentFailed, RefundRequested})

    async def consume(self, tx: Tx, recorded: Sequence[Recorded]) -> None:
        happened = [each.event for each in recorded]
        succeeded = [event for event in happened if isinstance(event, PaymentSucceeded)]
        failed = [event for event in happened if isinstance(event, PaymentFailed)]
        # Nobody is to blame for a trip that was called off, or for money that came too late.
        refunded = [
            event for event in happened if isinstance(event, RefundRequested) and event.reason is RefundReason.CANCELLED_BY_CUSTOMER
        ]
        too_much: Counter[CounterKey] = Counter()
        for counter, amount in await repository.lock_decided(
            tx, [event.payment_id for event in succeeded], [event.payment_id for event in failed]
        ):
            too_much[counter] += amount
        if too_much:
            await repository.take_back(tx, too_much)
        await _count(tx, RuleKind.FIRST_OF_YOUNG_ACCOUNT, [event.payer_id for event in succeeded])
        await _count(tx, RuleKind.REFUNDS_PER_PERSON, [event.payer_id for event in refunded])


async def _count(tx: Tx, kind: RuleKind, people: Sequence[UserId]) -> None:
    if people:
        await repository.count_people(tx, kind, Counter(people))
