"""Accounts, transactions and entries. Append-only: what was posted stays, a mistake is mended by another transaction.

An entry above zero is money that an account received. So the accounts of the outside world (gateways, banks) stand below zero
by what came in through them, and those of people above zero by what they are owed.
"""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base


class AccountId(Id, prefix="acc"):
    __slots__ = ()


class EntryId(Id, prefix="ent"):
    __slots__ = ()


class AccountKind(StrEnum):
    GATEWAY = "GATEWAY"  # What a gateway holds for us, below zero.
    PAYEE = "PAYEE"  # What someone who sells has earned and was not paid yet.
    FEES = "FEES"  # What the platform earned.
    REFUNDS_DUE = "REFUNDS_DUE"  # What customers get back and did not yet.
    PAYOUTS_DUE = "PAYOUTS_DUE"  # What was approved to be paid out and was not yet.
    BANK = "BANK"  # What left for the payees, above zero.
    WALLET = "WALLET"  # What a customer has with us. Never below zero.
    GIFT_CARD = "GIFT_CARD"  # What a gift card is still worth. Never below zero.
    RESERVED = "RESERVED"  # What was set aside for something that is not bought yet.
    CASH = "CASH"  # What a driver was given in cash, below zero.
    TAX = "TAX"  # What is owed to the tax office.
    EXCHANGE = "EXCHANGE"  # What was given in one currency for another.
    GATEWAY_COSTS = "GATEWAY_COSTS"  # What gateways kept for their services, below zero.


GUARDED = frozenset({AccountKind.WALLET, AccountKind.GIFT_CARD})
"""Kinds that never go below zero: they have a balance of their own, which is locked, and the database refuses one below zero."""


class Purpose(StrEnum):
    """What a transaction books of the payment, refund or payout whose id it has."""

    CAPTURE = "CAPTURE"
    REFUND_OWED = "REFUND_OWED"
    REFUND_PAID = "REFUND_PAID"
    PAYOUT_APPROVED = "PAYOUT_APPROVED"
    PAYOUT_PAID = "PAYOUT_PAID"
    PAYOUT_RETURNED = "PAYOUT_RETURNED"
    RESERVED = "RESERVED"
    RESERVE_RETURNED = "RESERVE_RETURNED"
    CASH_KEPT = "CASH_KEPT"
    CHARGEBACK = "CHARGEBACK"
    CHARGEBACK_WON = "CHARGEBACK_WON"
    GATEWAY_FEE = "GATEWAY_FEE"
    GATEWAY_PAYOUT = "GATEWAY_PAYOUT"
    EXCHANGED = "EXCHANGED"
    ADJUSTED = "ADJUSTED"


_KINDS = ", ".join(f"'{kind}'" for kind in AccountKind)
_PURPOSES = ", ".join(f"'{purpose}'" for purpose in Purpose)


class AccountTable(Base):
    """An account in one currency. ``owner`` is a gateway's name or a payee's UUID, empty where there is one for all."""

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("ledger_accounts_owner_idx", "kind", "owner", "currency", unique=True),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class GuardedBalanceTable(Base):
    """What an account of a kind that never goes below zero has, in minor units. The lock of whoever takes from it."""

    __tablename__ = "ledger_guarded_balances"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="not_below_zero"),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    account_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)


class TransactionTable(Base):
    """One row for each thing booked and currency. The sums are made by the database from the entries of the same statement."""

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        CheckConstraint("received = given AND received > 0", name="sums_to_zero"),
        CheckConstraint(f"purpose IN ({_PURPOSES})", name="purpose"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    currency: Mapped[str] = mapped_column(Text, primary_key=True)
    received: Mapped[int] = mapped_column(BigInteger)
    given: Mapped[int] = mapped_column(BigInteger)
    posted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class EntryTable(Base):
    """What one account received (above zero) or gave (below). Monthly partitions; nobody may change or delete a row."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ledger_entries_account_id_idx", "account_id", "posted_at"),
        Index("ledger_entries_transaction_id_idx", "transaction_id"),
        # Entries come in the order of time: a report over some days reads only the pages of those days.
        Index("ledger_entries_posted_at_idx", "posted_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(Uuid)
    purpose: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(Uuid)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    posted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Account(Struct, frozen=True, order=True):
    """An account by name, in whatever currency an entry has."""

    kind: AccountKind
    owner: str = ""

    @classmethod
    def gateway(cls, name: str) -> Self:
        return cls(AccountKind.GATEWAY, name)

    @classmethod
    def bank(cls) -> Self:
        return cls(AccountKind.BANK)

    @classmethod
    def payee(cls, payee_id: UUID) -> Self:
        return cls(AccountKind.PAYEE, str(UUID(int=payee_id.int)))

    @classmethod
    def wallet(cls, user_id: UUID) -> Self:
        return cls(AccountKind.WALLET, str(UUID(int=user_id.int)))

    @property
    def is_guarded(self) -> bool:
        return self.kind in GUARDED


FEES = Account(AccountKind.FEES)
REFUNDS_DUE = Account(AccountKind.REFUNDS_DUE)
PAYOUTS_DUE = Account(AccountKind.PAYOUTS_DUE)
RESERVED = Account(AccountKind.RESERVED)


class Entry(Struct, frozen=True):
    """What an account receives, or gives where the amount is below zero. Entries of nothing are not posted."""

    account: Account
    amount: Amount


class PostedEntry(Struct, frozen=True):
    """An entry as read. ``transaction_id`` is the id of the payment, refund or payout that was booked."""

    id: EntryId
    transaction_id: UUID
    purpose: Purpose
    amount: int
    currency: str
    posted_at: datetime

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.amount)


class Unbalanced(Exception):
    """The entries of a transaction do not sum to zero: money would appear or vanish. A mistake of the program."""


class Overdrawn(Exception):
    """A transaction takes more from an account than it has, of a kind that never goes below zero. Nothing of it can be committed."""


class Transaction(Struct, frozen=True):
    """What is booked for one thing: its id is that of the payment, refund or payout, so booking it again changes nothing.

    ``at`` is when it happened, by the database's clock: the time that the booked thing itself shows.
    """

    id: UUID
    purpose: Purpose
    at: datetime
    entries: tuple[Entry, ...]
