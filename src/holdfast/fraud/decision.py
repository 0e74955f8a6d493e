"""What the rules say about payments, decided without asking anybody: the counters were read before.

| kind | an attempt adds | fires where |
|---|---|---|
| ATTEMPTS_PER_* | 1, to the counter of its payer, card, device or network | there are more than ``uses_max`` |
| FAILURES_PER_PERSON | 1, taken back when it succeeds | there are more than ``uses_max`` |
| TOTAL_PER_PERSON | its amount, taken back when it fails | there is more than ``amount_max`` |
| REFUNDS_PER_PERSON | nothing: refunds that the payer asked for are counted | there were more than ``uses_max`` |
| FIRST_OF_YOUNG_ACCOUNT | nothing: payments that succeeded are counted | there was none, and the account is younger than ``within`` |
| AMOUNT_ABOVE | nothing | the amount is above ``amount_max`` |

What is not decided yet counts as failed and as spent, so nobody gets further by trying everything at once.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.fraud.models import Rule, RuleAction, RuleId, RuleKind
from holdfast.fraud.states import ReviewState
from holdfast.limits import network_of
from holdfast.payments.models import Method, PaymentId
from holdfast.payments.screening import Attempt, Passed, PaymentInReview, PaymentNotPossible, Verdict

CounterKey = tuple[RuleId, bytes]


class Look(Struct, frozen=True):
    """One rule as it concerns one attempt: whose counter it reads, and what the attempt adds to it."""

    rule: Rule
    payer_id: UserId
    subject: bytes
    adds: int

    @property
    def counter(self) -> CounterKey:
        return self.rule.id, self.subject


class Seen(Struct, frozen=True):
    """What the database says about a look: the counter with all that was added, and how an admin decided about this person."""

    used: int
    is_young: bool
    decided: ReviewState | None


class Judgement(Struct, frozen=True):
    """A verdict for each attempt. ``fired``: every rule that did. ``overcounted``: what was added for attempts that were refused."""

    verdicts: Mapping[PaymentId, Verdict]
    fired: Sequence[Rule]
    to_review: Sequence[tuple[Attempt, Rule]]
    overcounted: Mapping[CounterKey, int]


def looks(rules: Sequence[Rule], attempt: Attempt, hashed: Callable[[str, str], bytes]) -> list[Look]:
    """The rules that concern an attempt, in their order. ``hashed`` makes a text unreadable, for a purpose."""
    return [
        Look(rule, attempt.payer_id, subject, _added(rule.kind, attempt))
        for rule in rules
        if _concerns(rule, attempt) and (subject := _subject(rule.kind, attempt, hashed)) is not None
    ]


def judge(
    attempts: Sequence[Attempt], looks_of: Mapping[PaymentId, Sequence[Look]], seen: Mapping[tuple[CounterKey, UserId], Seen]
) -> Judgement:
    """In the order of arrival: each attempt is judged by what those before it used up, and one that is refused uses up nothing."""
    used = {counter: found.used for (counter, _), found in seen.items()}
    for own in looks_of.values():
        for look in own:
            used[look.counter] -= look.adds
    verdicts: dict[PaymentId, Verdict] = {}
    fired: list[Rule] = []
    to_review: list[tuple[Attempt, Rule]] = []
    overcounted: Counter[CounterKey] = Counter()
    for attempt in attempts:
        own = looks_of[attempt.payment_id]
        firing = [look for look in own if _fires(look, attempt, used[look.counter], seen[look.counter, look.payer_id])]
        fired += [look.rule for look in firing]
        stopping = next((look for look in firing if look.rule.action in (RuleAction.REVIEW, RuleAction.REFUSE)), None)
        if stopping is None:
            verdicts[attempt.payment_id] = Passed(any(look.rule.action is RuleAction.AUTHENTICATE for look in firing))
            for look in own:
                used[look.counter] += look.adds
            continue
        if stopping.rule.action is RuleAction.REVIEW and seen[stopping.counter, stopping.payer_id].decided is None:
            verdicts[attempt.payment_id] = PaymentInReview()
            to_review.append((attempt, stopping.rule))
        else:
            verdicts[attempt.payment_id] = PaymentNotPossible()
        overcounted.update({look.counter: look.adds for look in own if look.adds})
    return Judgement(verdicts, fired, to_review, overcounted)


def _concerns(rule: Rule, attempt: Attempt) -> bool:
    if attempt.means.method is Method.WALLET and not rule.on_wallets:
        return False
    return rule.currency is None or rule.currency == attempt.amount.currency


def _subject(kind: RuleKind, attempt: Attempt, hashed: Callable[[str, str], bytes]) -> bytes | None:
    """Whose counter it is; None where the attempt does not say."""
    means = attempt.means
    match kind:
        case RuleKind.ATTEMPTS_PER_CARD:
            return hashed(means.token, "fraud/card") if means.token else None
        case RuleKind.ATTEMPTS_PER_DEVICE:
            return hashed(means.origin.device, "fraud/device") if means.origin.device else None
        case RuleKind.ATTEMPTS_PER_NETWORK:
            return hashed(network_of(means.origin.address), "fraud/network") if means.origin.address else None
        case _:
            return attempt.payer_id.bytes


def _added(kind: RuleKind, attempt: Attempt) -> int:
    match kind:
        case RuleKind.TOTAL_PER_PERSON:
            return attempt.amount.minor
        case RuleKind.AMOUNT_ABOVE | RuleKind.FIRST_OF_YOUNG_ACCOUNT | RuleKind.REFUNDS_PER_PERSON:
            return 0
        case _:
            return 1


def _fires(look: Look, attempt: Attempt, used_before: int, seen: Seen) -> bool:
    rule = look.rule
    if seen.decided is ReviewState.ALLOWED:
        return False
    match rule.kind:
        case RuleKind.AMOUNT_ABOVE:
            return attempt.amount.minor > _limit(rule)
        case RuleKind.FIRST_OF_YOUNG_ACCOUNT:
            return seen.is_young and used_before == 0
        case _:
            return used_before + look.adds > _limit(rule)


def _limit(rule: Rule) -> int:
    limit = rule.uses_max if rule.amount_max is None else rule.amount_max
    assert limit is not None, "the schema demands one of them for this kind"
    return limit
