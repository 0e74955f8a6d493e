"""What drivers asked to be paid for their sessions, and who decided on it."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.payouts.states import PayoutState
from holdfast.sessions.models import SessionId

REASON_LENGTH_MAX = 500
RETURN_REASON_LENGTH_MAX = 140


class PayoutId(Id, prefix="pyt"):
    __slots__ = ()


class PayoutBatchId(Id, prefix="pbt"):
    __slots__ = ()


class DriverPayoutTable(Base):
    """A payout of one session, in minor units. The amounts are those of the moment it was asked for, and final from its approval on.

    ``set_off_amount`` is what the driver owed then: so much less is paid. ``batch_id`` is the batch in which it went to the bank.
    """

    __tablename__ = "driver_payouts"
    __table_args__ = (
        CheckConstraint("net_amount = gross_amount - service_fees AND net_amount >= 0", name="net"),
        CheckConstraint("set_off_amount BETWEEN 0 AND net_amount", name="set_off"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("status IN ('PENDING', 'APPROVED', 'IN_BATCH', 'PAID', 'RETURNED', 'REJECTED', 'CANCELLED')", name="status"),
        CheckConstraint("approved_by_admin <> requested_by AND approved_by_admin <> driver_id", name="four_eyes"),
        CheckConstraint(
            "(status IN ('APPROVED', 'IN_BATCH', 'PAID', 'RETURNED')) = (approved_by_admin IS NOT NULL)"
            " AND (approved_by_admin IS NOT NULL) = (approved_at IS NOT NULL)",
            name="approved",
        ),
        CheckConstraint("batch_id IS NULL OR status IN ('IN_BATCH', 'PAID', 'RETURNED')", name="batch"),
        CheckConstraint("status NOT IN ('IN_BATCH', 'RETURNED') OR batch_id IS NOT NULL", name="sent_in_a_batch"),
        CheckConstraint(
            "(status = 'PAID') <= (paid_at IS NOT NULL) AND (paid_at IS NULL OR status IN ('PAID', 'RETURNED'))"
            " AND (paid_at IS NOT NULL) = (paid_by_admin IS NOT NULL)",
            name="paid",
        ),
        CheckConstraint(
            "(status = 'REJECTED') = (rejected_at IS NOT NULL) AND (rejected_at IS NOT NULL) = (rejected_by_admin IS NOT NULL)",
            name="rejected",
        ),
        CheckConstraint(
            "(reject_reason IS NOT NULL) = (status = 'REJECTED') AND length(reject_reason) BETWEEN 1 AND 500", name="reject_reason"
        ),
        CheckConstraint(
            "(status = 'RETURNED') = (returned_at IS NOT NULL) AND (returned_at IS NOT NULL) = (returned_by_admin IS NOT NULL)"
            " AND (returned_at IS NOT NULL) = (return_reason IS NOT NULL) AND length(return_reason) BETWEEN 1 AND 140",
            name="returned",
        ),
        CheckConstraint("(status = 'CANCELLED') = (cancelled_at IS NOT NULL)", name="cancelled"),
        # A session is paid out once: until the first one has come to nothing there is no second.
        Index(
            "driver_payouts_one_live_idx",
            "session_id",
            unique=True,
            postgresql_where=text("status NOT IN ('REJECTED', 'CANCELLED', 'RETURNED')"),
        ),
        Index("driver_payouts_driver_id_idx", "driver_id", "id"),
        Index("driver_payouts_status_idx", "status", "id"),
        Index("driver_payouts_batch_id_idx", "batch_id", postgresql_where=text("batch_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    session_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("driver_sessions.id"))
    gross_amount: Mapped[int] = mapped_column(BigInteger)
    service_fees: Mapped[int] = mapped_column(BigInteger)
    net_amount: Mapped[int] = mapped_column(BigInteger)
    set_off_amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    currency: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID] = mapped_column(Uuid)
    approved_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    approved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    paid_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    paid_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    rejected_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    rejected_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reject_reason: Mapped[str | None] = mapped_column(Text)
    batch_id: Mapped[UUID | None] = mapped_column(Uuid)
    returned_by_admin: Mapped[UUID | None] = mapped_column(Uuid)
    returned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    return_reason: Mapped[str | None] = mapped_column(Text)
    cancelled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class PayeeTable(Base):
    """Whoever was ever paid, or said where to. The lock of whoever decides how much is paid to them, or where.

    ``account_id`` is their present bank account.
    """

    __tablename__ = "payout_payees"

    payee_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"), primary_key=True)
    account_id: Mapped[UUID | None] = mapped_column(Uuid)


class Payout(Struct, frozen=True):
    """A payout as read."""

    id: PayoutId
    driver_id: UserId
    session_id: SessionId
    gross_amount: int
    service_fees: int
    net_amount: int
    set_off_amount: int
    currency: str
    status: PayoutState
    requested_by: UserId
    approved_by_admin: UserId | None
    approved_at: datetime | None
    paid_by_admin: UserId | None
    paid_at: datetime | None
    rejected_by_admin: UserId | None
    rejected_at: datetime | None
    reject_reason: str | None
    batch_id: PayoutBatchId | None
    returned_by_admin: UserId | None
    returned_at: datetime | None
    return_reason: str | None
    cancelled_at: datetime | None
    version: int
    created_at: datetime

    @property
    def net(self) -> Amount:
        return Amount(self.currency, self.net_amount)

    @property
    def due(self) -> Amount:
        """What the driver gets."""
        return Amount(self.currency, self.net_amount - self.set_off_amount)


class Standing(Struct, frozen=True):
    """How a payee stands in a currency: what their accounts have, and how much of it sessions brought in that were not paid out yet."""

    currency: str
    balance: int
    unpaid: int

    @property
    def debt(self) -> int:
        """What they owe from sessions that were paid out: what the next payout is lessened by."""
        return max(0, self.unpaid - self.balance)
