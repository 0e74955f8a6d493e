"""Requests and views of fraud rules and reviews."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.common.errors import Invalid
from holdfast.common.money import Amount, JsonAmount, minor_units
from holdfast.fraud.models import NOTE_LENGTH_MAX, WITHIN_MAX, Review, Rule, RuleAction, RuleKind
from holdfast.fraud.service import RuleTerms
from holdfast.fraud.states import ReviewState
from holdfast.payments.models import Method

WithinSeconds = Annotated[int, Meta(ge=1, le=int(WITHIN_MAX.total_seconds()), examples=[3600])]
Limit = Annotated[int, Meta(ge=0, le=1_000_000, examples=[20])]
Major = Annotated[float, Meta(ge=0, le=1e12, examples=[10000.0])]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", examples=["EGP"])]
Priority = Annotated[int, Meta(ge=1, le=1000, examples=[100])]
Note = Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX, pattern=r"\S", examples=["Called back: the card is theirs."])]


class _Terms(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What can be said about a rule whatever its kind."""

    within_seconds: WithinSeconds | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET
    amount: Major | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    is_enabled: bool | UnsetType = UNSET
    on_wallets: bool | UnsetType = UNSET

    @property
    def terms(self) -> RuleTerms:
        """Raises Invalid where the amount has no currency, or more digits than it."""
        return RuleTerms(
            within=None if self.within_seconds is UNSET else timedelta(seconds=self.within_seconds),
            uses_max=None if self.limit is UNSET else self.limit,
            amount_max=self._amount(),
            priority=None if self.priority is UNSET else self.priority,
            is_enabled=None if self.is_enabled is UNSET else self.is_enabled,
            on_wallets=None if self.on_wallets is UNSET else self.on_wallets,
        )

    def _amount(self) -> Amount | None:
        if (self.amount is UNSET) != (self.currency is UNSET):
            raise Invalid(("currency", "Send amount and currency together."))
        if self.amount is UNSET or self.currency is UNSET:
            return None
        try:
            return Amount(self.currency, minor_units(self.amount, self.currency))
        except ValueError as error:
            raise Invalid(("amount", f"{error}.")) from error


class NewRuleRequest(_Terms, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A new rule. ``withinSeconds`` is its window, or how old an account counts as young; ``limit`` or ``amount`` is still allowed."""

    kind: RuleKind
    action: RuleAction


class RuleChangeRequest(_Terms, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """What is to be different about a rule."""

    action: RuleAction | UnsetType = UNSET


class RuleView(Struct, frozen=True, rename="camel"):
    """A rule. ``version`` is what a PATCH sends as If-Match, in quotes."""

    id: str
    kind: RuleKind
    action: RuleAction
    within_seconds: int | None
    limit: int | None
    amount: JsonAmount | None
    currency: str | None
    priority: int
    is_enabled: bool
    on_wallets: bool
    version: int

    @classmethod
    def of(cls, rule: Rule) -> Self:
        amount = None if rule.amount_max is None or rule.currency is None else JsonAmount(Amount(rule.currency, rule.amount_max))
        return cls(
            id=str(rule.id),
            kind=rule.kind,
            action=rule.action,
            within_seconds=int(rule.within.total_seconds()) if rule.within else None,
            limit=rule.uses_max,
            amount=amount,
            currency=rule.currency,
            priority=rule.priority,
            is_enabled=rule.is_enabled,
            on_wallets=rule.on_wallets,
            version=rule.version,
        )


class RulesView(Struct, frozen=True, rename="camel"):
    """All rules, in the order in which they are looked at."""

    data: list[RuleView]


class Decision(StrEnum):
    """``allow`` lets the person pass this rule for a day; with ``deny`` they cannot pay where it fires, for as long."""

    ALLOW = "allow"
    DENY = "deny"

    @property
    def state(self) -> ReviewState:
        return ReviewState.ALLOWED if self is Decision.ALLOW else ReviewState.DENIED


class DecisionRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What was decided, and why. Only admins read the note."""

    decision: Decision
    note: Note


class ReviewView(Struct, frozen=True, rename="camel"):
    """A payment that a rule wants somebody to look at. ``standsUntil``: how long what was decided holds."""

    id: str
    user_id: str
    rule_id: str
    rule_kind: RuleKind
    payable_kind: str
    payable_id: str
    amount: JsonAmount
    currency: str
    method: Method
    state: ReviewState
    note: str | None
    decided_by: str | None
    decided_at: datetime | None
    stands_until: datetime | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, review: Review) -> Self:
        return cls(
            id=str(review.id),
            user_id=str(review.user_id),
            rule_id=str(review.rule_id),
            rule_kind=review.rule_kind,
            payable_kind=review.payable_kind,
            payable_id=str(review.payable_id),
            amount=JsonAmount(review.total),
            currency=review.currency,
            method=review.method,
            state=review.state,
            note=review.note,
            decided_by=str(review.decided_by) if review.decided_by else None,
            decided_at=review.decided_at,
            stands_until=review.stands_until,
            version=review.version,
            created_at=review.created_at,
        )
