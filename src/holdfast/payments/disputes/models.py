"""Payments that their payers dispute."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.payments.gateway import DisputeStatus
from holdfast.payments.models import PaymentId

REASON_LENGTH_MAX = 100


class DisputeId(Id, prefix="dsp"):
    __slots__ = ()


class DisputeTable(Base):
    """A payer's bank takes money of a payment back. ``amount`` is what the gateway says; of it ``fare_amount`` and ``service_fee``
    were booked: never more than was left of the payment.
    """

    __tablename__ = "payment_disputes"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("fare_amount >= 0 AND service_fee >= 0 AND fare_amount + service_fee <= amount", name="booked"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("status IN ('OPENED', 'WON', 'LOST')", name="status"),
        CheckConstraint("(status = 'OPENED') = (decided_at IS NULL)", name="decided"),
        # The same dispute takes money once, however many messages tell of it.
        Index("payment_disputes_reference_idx", "gateway", "reference", unique=True),
        Index("payment_disputes_payment_id_idx", "payment_id"),
        Index("payment_disputes_status_idx", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("payments.id"))
    gateway: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    fare_amount: Mapped[int] = mapped_column(BigInteger)
    service_fee: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    opened_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Dispute(Struct, frozen=True):
    """A dispute as read."""

    id: DisputeId
    payment_id: PaymentId
    gateway: str
    reference: str
    amount: int
    currency: str
    fare_amount: int
    service_fee: int
    reason: str
    status: DisputeStatus
    version: int
    opened_at: datetime
    decided_at: datetime | None

    @property
    def disputed(self) -> Amount:
        """What the gateway says that it is about."""
        return Amount(self.currency, self.amount)

    @property
    def booked(self) -> Amount:
        """What of it was taken from whoever had earned it."""
        return Amount(self.currency, self.fare_amount + self.service_fee)
