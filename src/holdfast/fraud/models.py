"""Rules, the counters that they are judged by, and the reviews that they led to."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Integer, Interval, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.fraud.states import ReviewState
from holdfast.payments.models import Method

RULES_MAX: Final = 100
NOTE_LENGTH_MAX: Final = 500
WITHIN_MAX: Final = timedelta(days=90)
DECISION_STANDS: Final = timedelta(hours=24)
"""How long what an admin decided about a person and a rule holds. After that the rule speaks again."""


class RuleId(Id, prefix="frl"):
    __slots__ = ()


class ReviewId(Id, prefix="frv"):
    __slots__ = ()


class RuleKind(StrEnum):
    """What a rule looks at. ``decision.py`` says what each of them counts, and when it fires."""

    ATTEMPTS_PER_PERSON = "ATTEMPTS_PER_PERSON"
    FAILURES_PER_PERSON = "FAILURES_PER_PERSON"
    ATTEMPTS_PER_CARD = "ATTEMPTS_PER_CARD"
    ATTEMPTS_PER_DEVICE = "ATTEMPTS_PER_DEVICE"
    ATTEMPTS_PER_NETWORK = "ATTEMPTS_PER_NETWORK"
    AMOUNT_ABOVE = "AMOUNT_ABOVE"
    FIRST_OF_YOUNG_ACCOUNT = "FIRST_OF_YOUNG_ACCOUNT"
    TOTAL_PER_PERSON = "TOTAL_PER_PERSON"
    REFUNDS_PER_PERSON = "REFUNDS_PER_PERSON"


WITH_WINDOW: Final = frozenset(RuleKind) - {RuleKind.AMOUNT_ABOVE}
WITH_AMOUNT: Final = frozenset({RuleKind.AMOUNT_ABOVE, RuleKind.TOTAL_PER_PERSON})
WITH_USES: Final = frozenset(RuleKind) - WITH_AMOUNT - {RuleKind.FIRST_OF_YOUNG_ACCOUNT}


class RuleAction(StrEnum):
    """What happens where a rule fires. ALLOW: nothing, it is only measured, which is how a rule is tried out."""

    ALLOW = "ALLOW"
    AUTHENTICATE = "3DS"
    REVIEW = "REVIEW"
    REFUSE = "REFUSE"


class FraudRuleTable(Base):
    """A rule that admins may change. ``within`` is its window, or how old an account counts as young.

    Lower priorities are looked at first. ``on_wallets``: payments out of wallets concern it too.
    """

    __tablename__ = "fraud_rules"
    __table_args__ = (
        CheckConstraint(f"kind IN ({', '.join(repr(str(kind)) for kind in RuleKind)})", name="kind"),
        CheckConstraint("action IN ('ALLOW', '3DS', 'REVIEW', 'REFUSE')", name="action"),
        CheckConstraint(
            "(within IS NULL) = (kind = 'AMOUNT_ABOVE') AND within BETWEEN interval '1 second' AND interval '90 days'", name="within"
        ),
        CheckConstraint(
            "(uses_max IS NULL) = (kind IN ('AMOUNT_ABOVE', 'TOTAL_PER_PERSON', 'FIRST_OF_YOUNG_ACCOUNT')) AND uses_max >= 0",
            name="uses_max",
        ),
        CheckConstraint("(amount_max IS NULL) = (kind NOT IN ('AMOUNT_ABOVE', 'TOTAL_PER_PERSON')) AND amount_max >= 0", name="amount_max"),
        CheckConstraint("(currency IS NULL) = (amount_max IS NULL) AND currency ~ '^[A-Z]{3}$'", name="currency"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    within: Mapped[timedelta | None] = mapped_column(Interval)
    uses_max: Mapped[int | None] = mapped_column(Integer)
    amount_max: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    priority: Mapped[int] = mapped_column(Integer)
    is_enabled: Mapped[bool] = mapped_column(Boolean)
    on_wallets: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class FraudCounterTable(Base):
    """What one subject used up of one rule in its window, which begins with the first use. Deleted a day after it ended.

    A subject is a person's id, or the keyed hash of a card's token, a device or a network.
    """

    __tablename__ = "fraud_counters"
    __table_args__ = (
        CheckConstraint("used >= 0", name="used"),
        Index("fraud_counters_ends_at_idx", "ends_at"),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    rule_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used: Mapped[int] = mapped_column(BigInteger)


class FraudReviewTable(Base):
    """A payment that a rule wants somebody to look at: the first attempt of a person that made it fire.

    What is decided holds for this person and this rule until ``stands_until``.
    """

    __tablename__ = "fraud_reviews"
    __table_args__ = (
        CheckConstraint("state IN ('OPEN', 'ALLOWED', 'DENIED')", name="state"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(f"length(note) BETWEEN 1 AND {NOTE_LENGTH_MAX}", name="note"),
        CheckConstraint(
            "(state = 'OPEN') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)"
            " AND (decided_at IS NULL) = (stands_until IS NULL) AND (decided_at IS NULL) = (note IS NULL)",
            name="decided",
        ),
        # However often somebody tries, there is one review to be done.
        Index("fraud_reviews_open_idx", "user_id", "rule_id", unique=True, postgresql_where=text("state = 'OPEN'")),
        Index("fraud_reviews_decided_idx", "user_id", "rule_id", "decided_at", postgresql_where=text("state <> 'OPEN'")),
        Index("fraud_reviews_state_idx", "state", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    rule_id: Mapped[UUID] = mapped_column(Uuid)
    rule_kind: Mapped[str] = mapped_column(Text)
    payable_kind: Mapped[str] = mapped_column(Text)
    payable_id: Mapped[UUID] = mapped_column(Uuid)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=text("'OPEN'"))
    note: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(Uuid)
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    stands_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Rule(Struct, frozen=True):
    """A rule as read. ``uses_max`` and ``amount_max`` are what is still allowed."""

    id: RuleId
    kind: RuleKind
    action: RuleAction
    within: timedelta | None
    uses_max: int | None
    amount_max: int | None
    currency: str | None
    priority: int
    is_enabled: bool
    on_wallets: bool
    version: int = 1


class Review(Struct, frozen=True):
    """A review as read."""

    id: ReviewId
    user_id: UserId
    rule_id: RuleId
    rule_kind: RuleKind
    payable_kind: str
    payable_id: UUID
    amount: int
    currency: str
    method: Method
    state: ReviewState
    note: str | None
    decided_by: UserId | None
    decided_at: datetime | None
    stands_until: datetime | None
    version: int
    created_at: datetime

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.amount)
