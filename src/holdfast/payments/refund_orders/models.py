"""What admins ordered to be given back."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.payments.models import PaymentId
from holdfast.payments.refund_orders.states import RefundOrderState

NOTE_LENGTH_MAX = 500


class RefundOrderId(Id, prefix="rfo"):
    __slots__ = ()


class RefundOrderTable(Base):
    """An admin's wish to give a part of a payment back. ``note`` says why. Above the limit another admin has to decide."""

    __tablename__ = "refund_orders"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("length(note) BETWEEN 1 AND 500", name="note"),
        CheckConstraint("status IN ('PROPOSED', 'DONE', 'REJECTED')", name="status"),
        CheckConstraint("(status = 'PROPOSED') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)", name="decided"),
        CheckConstraint("NOT needs_another_admin OR decided_by <> ordered_by", name="four_eyes"),
        Index("refund_orders_payment_id_idx", "payment_id"),
        Index("refund_orders_status_idx", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("payments.id"))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    needs_another_admin: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str] = mapped_column(Text)
    ordered_by: Mapped[UUID] = mapped_column(Uuid)
    decided_by: Mapped[UUID | None] = mapped_column(Uuid)
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class RefundOrder(Struct, frozen=True):
    """A refund order as read."""

    id: RefundOrderId
    payment_id: PaymentId
    amount: int
    currency: str
    note: str
    needs_another_admin: bool
    status: RefundOrderState
    ordered_by: UserId
    decided_by: UserId | None
    decided_at: datetime | None
    version: int
    created_at: datetime

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.amount)
