"""What customers asked for, what became of it, and what they were to pay."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.inventory import HoldId, PoolId

PAYABLE_KIND = "booking"
"""What payments call a booking."""

_REASONS = "'RELEASED_BY_CUSTOMER', 'CANCELLED_BY_CUSTOMER', 'CALLED_OFF', 'LAPSED', 'SALES_CLOSED'"


class BookingId(Id, prefix="bkg"):
    __slots__ = ()


class BookingTable(Base):
    """A booking. ``held_until`` and ``available_after`` are those of its first answer, so that it can be given again.

    ``extended_at`` is when the first attempt to pay through a gateway moved the deadline of its hold, once.
    """

    __tablename__ = "bookings"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("fare >= 0 AND service_fee >= 0", name="money"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("status IN ('PENDING', 'CONFIRMED', 'CANCELLED', 'EXPIRED')", name="status"),
        CheckConstraint("(ended_at IS NOT NULL) = (status IN ('CANCELLED', 'EXPIRED'))", name="ended"),
        CheckConstraint("(end_reason IS NOT NULL) = (ended_at IS NOT NULL)", name="reason"),
        CheckConstraint(f"end_reason IN ({_REASONS})", name="end_reason"),
        CheckConstraint("status <> 'CONFIRMED' OR confirmed_at IS NOT NULL", name="confirmed"),
        Index("bookings_customer_id_idx", "customer_id", "id"),
        # Small, because bookings leave it as soon as they are paid for or lapse.
        Index("bookings_pending_idx", "customer_id", postgresql_where=text("status = 'PENDING'")),
        Index("bookings_owner_idx", "owner_id", "id"),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(Uuid)
    kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID] = mapped_column(Uuid)
    quantity: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(Text)
    fare: Mapped[int] = mapped_column(BigInteger)
    service_fee: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    payee_id: Mapped[UUID] = mapped_column(Uuid)
    held_until: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    available_after: Mapped[int] = mapped_column(Integer)
    extended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    confirmed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    checked_in_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    end_reason: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class BookingItemTable(Base):
    """What a booking asked of which pool, at what price for all units of it; from the hold on, so late money can retake it.

    Only a change of a confirmed booking replaces it.
    """

    __tablename__ = "booking_items"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"), CheckConstraint("amount >= 0", name="amount"))

    booking_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    pool_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)


class Booking(Struct, frozen=True):
    """A booking as read. ``fare`` and ``service_fee`` are in minor units of ``currency``.

    ``expires_at`` is the deadline of its live hold; None where it has none. ``checked_in_at``: its customer is on board.
    """

    id: BookingId
    customer_id: UserId
    kind: str
    owner_id: UUID
    quantity: int
    status: BookingState
    fare: int
    service_fee: int
    currency: str
    payee_id: UserId
    held_until: datetime
    available_after: int
    extended_at: datetime | None
    confirmed_at: datetime | None
    ended_at: datetime | None
    end_reason: EndReason | None
    version: int
    created_at: datetime
    expires_at: datetime | None = None
    checked_in_at: datetime | None = None

    @property
    def hold_id(self) -> HoldId:
        return HoldId.of(self.id)

    @property
    def total(self) -> Amount:
        """What the customer is to pay: the fare and the fee."""
        return Amount(self.currency, self.fare + self.service_fee)


class BookingItem(Struct, frozen=True):
    """A quantity of a pool that a booking asked for."""

    booking_id: BookingId
    pool_id: PoolId
    quantity: int


class HeldBooking(Struct, frozen=True):
    """The answer to a request for a hold."""

    id: BookingId
    owner_id: UUID
    quantity: int
    fare: Amount
    service_fee: Amount
    expires_at: datetime
    available: int
