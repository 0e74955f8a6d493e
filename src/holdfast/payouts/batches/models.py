"""Batches and what is in them. What is in one never changes: its files are made from it, the same each time."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.payouts.accounts.models import Destination, PayoutAccountId
from holdfast.payouts.batches.states import BatchState
from holdfast.payouts.models import PayoutBatchId, PayoutId

PAYOUTS_MAX = 500
"""So many payouts are in a batch at most: it is made and answered in one short transaction."""


class BatchTable(Base):
    """A batch for the bank. The debtor is our own account, as it was set when the batch was made; the sums are those of its files."""

    __tablename__ = "payout_batches"
    __table_args__ = (
        CheckConstraint("status IN ('MADE', 'APPROVED', 'CANCELLED')", name="status"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("payouts > 0 AND total_amount > 0", name="amounts"),
        CheckConstraint("approved_by_admin <> made_by_admin", name="four_eyes"),
        CheckConstraint(
            "(status = 'APPROVED') = (approved_at IS NOT NULL) AND (approved_at IS NOT NULL) = (approved_by_admin IS NOT NULL)",
            name="approved",
        ),
        CheckConstraint(
            "(status = 'CANCELLED') = (cancelled_at IS NOT NULL) AND (cancelled_at IS NOT NULL) = (cancelled_by_admin IS NOT NULL)",
            name="cancelled",
        ),
        CheckConstraint("octet_length(csv_sha256) = 32 AND octet_length(xml_sha256) = 32", name="sums"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    status: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    payouts: Mapped[int] = mapped_column(Integer)
    total_amount: Mapped[int] = mapped_column(BigInteger)
    execute_on: Mapped[date] = mapped_column(Date)
    debtor_name: Mapped[str] = mapped_column(Text)
    debtor_iban: Mapped[str] = mapped_column(Text)
    debtor_bic: Mapped[str | None] = mapped_column(Text)
    csv_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    xml_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    made_by_admin: Mapped[UUID] = mapped_column(Uuid)
    approved_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    approved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    cancelled_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    cancelled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class BatchItemTable(Base):
    """A payout in a batch, with its amount in minor units and the account that it goes to."""

    __tablename__ = "payout_batch_items"
    __table_args__ = (CheckConstraint("amount > 0", name="amount"),)

    batch_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("payout_batches.id"), primary_key=True)
    payout_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("driver_payouts.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("payout_accounts.id"))
    amount: Mapped[int] = mapped_column(BigInteger)


class Batch(Struct, frozen=True):
    """A batch as read."""

    id: PayoutBatchId
    status: BatchState
    currency: str
    payouts: int
    total_amount: int
    execute_on: date
    debtor_name: str
    debtor_iban: str
    debtor_bic: str | None
    csv_sha256: bytes
    xml_sha256: bytes
    made_by_admin: UserId
    approved_by_admin: UserId | None
    approved_at: datetime | None
    cancelled_by_admin: UserId | None
    cancelled_at: datetime | None
    version: int
    created_at: datetime

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.total_amount)

    @property
    def order(self) -> "Order":
        return Order(
            self.id, self.created_at, self.execute_on, Destination(self.debtor_name, self.debtor_iban, self.debtor_bic), self.total
        )


class BatchItem(Struct, frozen=True):
    """What is in a batch."""

    payout_id: PayoutId
    account_id: PayoutAccountId
    amount: int


class Order(Struct, frozen=True):
    """What the files of a batch say of all its transfers. ``debtor`` is our own account."""

    id: PayoutBatchId
    made_at: datetime
    execute_on: date
    debtor: Destination
    total: Amount


class Transfer(Struct, frozen=True):
    """Money for one payee, whose payout's id goes with it from our bank to theirs and back."""

    payout_id: PayoutId
    amount: Amount
    destination: Destination


class Moment(Struct, frozen=True):
    """The database's clock, and the day there is then where we do business."""

    now: datetime
    today: date
