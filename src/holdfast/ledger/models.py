"""Accounts, transactions and entries. Append-only: what was posted stays, a mistake is mended by another transaction.

An entry above zero is money that an account received. So the accounts of the outside world (gateways, banks) stand below zero
by what came in through them, and those of people above zero by what they are owed.
"""

from datetime import date, datetime
from enum import StrEnum
from itertools import accumulate
from typing import Self
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Date, Index, Integer, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.events.models import Xid8


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
    CASH = "CASH"  # What a driver was given in cash and did not earn, below zero: he owes it.
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
    """What an account of a kind that never goes below zero has, and what of it is pending. The lock of whoever takes from it."""

    __tablename__ = "ledger_guarded_balances"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="not_below_zero"),
        CheckConstraint("pending >= 0 AND pending <= balance", name="pending"),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    account_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)
    pending: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class TransactionTable(Base):
    """One row for each thing booked and currency. The sums are made by the database from the entries of the same statement.

    ``exchanged`` is what accounts of the kind EXCHANGE received in it: of a thing in two currencies, both rows together are the rate.
    """

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        CheckConstraint("received = given AND received > 0", name="sums_to_zero"),
        CheckConstraint(f"purpose IN ({_PURPOSES})", name="purpose"),
        CheckConstraint("currencies = 1 OR (currencies = 2 AND exchanged <> 0)", name="exchanged"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    currency: Mapped[str] = mapped_column(Text, primary_key=True)
    received: Mapped[int] = mapped_column(BigInteger)
    given: Mapped[int] = mapped_column(BigInteger)
    posted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    currencies: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    exchanged: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class EntryTable(Base):
    """What one account received (above zero) or gave (below). Monthly partitions; nobody may change or delete a row.

    ``epoch`` and ``xid`` are its place in the order of the log (``docs/explain/events.md``).
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("ledger_entries_account_id_idx", "account_id", "posted_at"),
        Index("ledger_entries_transaction_id_idx", "transaction_id"),
        # Entries come in the order of time: a report over some days reads only the pages of those days.
        Index("ledger_entries_posted_at_idx", "posted_at", postgresql_using="brin"),
        Index("ledger_entries_order_idx", "epoch", "xid"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(Uuid)
    purpose: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(Uuid)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    posted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("log_epoch()"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))


class PendingOutcome(StrEnum):
    POSTED = "POSTED"
    VOIDED = "VOIDED"


class PendingTransactionTable(Base):
    """What will be booked, or not: in one currency. Its end is a row of its own."""

    __tablename__ = "ledger_pending_transactions"
    __table_args__ = (CheckConstraint("received = given AND received > 0", name="sums_to_zero"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    currency: Mapped[str] = mapped_column(Text)
    received: Mapped[int] = mapped_column(BigInteger)
    given: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class PendingEntryTable(Base):
    """An entry that is pending has a row of sign 1; where its transaction was posted or voided, a second one of sign -1."""

    __tablename__ = "ledger_pending_entries"
    __table_args__ = (
        CheckConstraint("sign = 1 OR sign = -1", name="sign"),
        CheckConstraint("amount <> 0", name="amount"),
        Index("ledger_pending_entries_order_idx", "epoch", "xid"),
        Index("ledger_pending_entries_transaction_id_idx", "transaction_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    sign: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(Uuid)
    purpose: Mapped[str] = mapped_column(Text)
    account_id: Mapped[UUID] = mapped_column(Uuid)
    amount: Mapped[int] = mapped_column(BigInteger)
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("log_epoch()"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))


class PendingEndTable(Base):
    """How a pending transaction ended. The key is what lets it end once."""

    __tablename__ = "ledger_pending_ends"
    __table_args__ = (CheckConstraint("outcome IN ('POSTED', 'VOIDED')", name="outcome"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class BalanceTable(Base):
    """What an account had, and what of it was pending, at the place in the log that ``ledger_roll_up`` names. Only the worker writes."""

    __tablename__ = "ledger_balances"
    __table_args__ = ({"postgresql_with": {"fillfactor": "60"}},)

    account_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)
    pending: Mapped[int] = mapped_column(BigInteger)


class RollUpTable(Base):
    """The one place in the log up to which balances are rolled up. Its lock lets one worker do so at a time."""

    __tablename__ = "ledger_roll_up"
    __table_args__ = (CheckConstraint("is_one", name="is_one"),)

    is_one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    epoch: Mapped[int] = mapped_column(Integer)
    xid: Mapped[int] = mapped_column(Xid8)
    rolled_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class ClosingTable(Base):
    """An announcement: nothing is posted before ``ends_at`` any more. The day is sealed once nobody runs who did not see it."""

    __tablename__ = "ledger_closings"

    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), primary_key=True)
    announced_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class DayTable(Base):
    """A closed business day: how many entries, what was given in each currency, and a seal over all of it and the day before."""

    __tablename__ = "ledger_days"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="span"),
        Index("ledger_days_starts_at_idx", "starts_at", unique=True),
        Index("ledger_days_ends_at_idx", "ends_at", unique=True),
    )

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    zone: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    entries: Mapped[int] = mapped_column(BigInteger)
    given: Mapped[dict[str, int]] = mapped_column(JSONB)
    previous_seal: Mapped[bytes] = mapped_column(BYTEA)
    seal: Mapped[bytes] = mapped_column(BYTEA)
    sealed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class DayBalanceTable(Base):
    """What an account that moved on a closed day had at its end."""

    __tablename__ = "ledger_day_balances"

    account_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    balance: Mapped[int] = mapped_column(BigInteger)


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

    @classmethod
    def cash(cls, payee_id: UUID) -> Self:
        return cls(AccountKind.CASH, str(UUID(int=payee_id.int)))

    @property
    def is_guarded(self) -> bool:
        return self.kind in GUARDED


EXCHANGE = Account(AccountKind.EXCHANGE)
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


class NoExchange(Exception):
    """A transaction is in more than one currency and does not exchange one for the other through EXCHANGE accounts at the rate it
    names. A mistake of the program."""


class UnknownCurrency(Exception):
    """A transaction is in what ISO 4217 does not know as money. A mistake of the program."""


class PendingUnknown(Exception):
    """There is no such pending transaction to post or void. A mistake of the program."""


class PendingEnded(Exception):
    """A pending transaction that is to be posted was voided already, or the other way round."""


class Overdrawn(Exception):
    """A transaction takes more from an account than it has, of a kind that never goes below zero. Nothing of it can be committed."""


class Exchange(Struct, frozen=True):
    """One amount for another, in two currencies: together they are the rate, exactly."""

    given: Amount
    received: Amount


class Transaction(Struct, frozen=True):
    """What is booked for one thing: its id is that of the payment, refund or payout, so booking it again changes nothing.

    ``at`` is when it happened, by the database's clock: the time that the booked thing itself shows. ``exchange`` is the rate of a
    transaction in two currencies: its EXCHANGE accounts receive what is given, and give what is received.
    """

    id: UUID
    purpose: Purpose
    at: datetime
    entries: tuple[Entry, ...]
    exchange: Exchange | None = None


class PendingEnd(Struct, frozen=True):
    """How a pending transaction is to end, and when."""

    id: UUID
    purpose: Purpose
    outcome: PendingOutcome
    at: datetime


class RolledUpTo(Struct, frozen=True):
    """The last place in the log whose entries are in the balances that were rolled up."""

    epoch: int
    xid: int


class BusinessDay(Struct, frozen=True):
    """The day that is to be closed next. It is over once some grace has passed after its end."""

    day: date
    starts_at: datetime
    ends_at: datetime
    is_over: bool


class LedgerAccount(Struct, frozen=True):
    """An account as read."""

    id: AccountId
    kind: AccountKind
    owner: str
    currency: str
    created_at: datetime

    @property
    def account(self) -> Account:
        return Account(self.kind, self.owner)


class StandingAccount(LedgerAccount, frozen=True):
    """An account with what it has."""

    balance: int


class TrialRow(Struct, frozen=True):
    """What the accounts of one kind had together, in one currency."""

    kind: AccountKind
    currency: str
    accounts: int
    balance: int


class TrialBalance(Struct, frozen=True):
    """All accounts when the instant ``at`` began. Each currency sums to zero, or money appeared or vanished."""

    at: datetime
    rows: tuple[TrialRow, ...]

    @property
    def totals(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for row in self.rows:
            sums[row.currency] = sums.get(row.currency, 0) + row.balance
        return sums


class Period(Struct, frozen=True):
    """From the first day to before the last, and the instants at which those days begin."""

    first_day: date
    last_day: date
    starts_at: datetime
    ends_at: datetime


class Statement(Struct, frozen=True):
    """What an account had, received and gave over a period."""

    account: LedgerAccount
    period: Period
    opening: int
    entries: tuple[PostedEntry, ...]

    @property
    def balances(self) -> list[int]:
        """What the account had after each entry."""
        return list(accumulate((entry.amount for entry in self.entries), initial=self.opening))[1:]

    @property
    def closing(self) -> int:
        return self.opening + sum(entry.amount for entry in self.entries)
