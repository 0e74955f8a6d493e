"""Complaints about bookings."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.bookings.models import BookingId
from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.complaints.states import ComplaintState
from holdfast.database.base import Base

OPEN_MAX = 3
LENGTH_MAX = 2000


class ComplaintId(Id, prefix="cmp"):
    __slots__ = ()


class ComplaintTable(Base):
    """What somebody says went wrong with a booking of theirs, and the answer. Free text stands here and nowhere else."""

    __tablename__ = "complaints"
    __table_args__ = (
        CheckConstraint(f"place BETWEEN 1 AND {OPEN_MAX}", name="place"),
        CheckConstraint(f"length(message) BETWEEN 1 AND {LENGTH_MAX}", name="message"),
        CheckConstraint(f"length(admin_note) BETWEEN 1 AND {LENGTH_MAX}", name="admin_note"),
        CheckConstraint("status IN ('OPEN', 'IN_REVIEW', 'CLOSED')", name="status"),
        CheckConstraint("status <> 'CLOSED' OR admin_note IS NOT NULL", name="closed_with_a_note"),
        # Three places for each booking: two taps at once cannot make a fourth open complaint.
        Index("complaints_open_idx", "booking_id", "place", unique=True, postgresql_where=text("status <> 'CLOSED'")),
        Index("complaints_user_id_idx", "user_id", "id"),
        Index("complaints_booking_id_idx", "booking_id", "id"),
        Index("complaints_status_idx", "status", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    booking_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("bookings.id"))
    place: Mapped[int] = mapped_column(SmallInteger)
    message: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default=text("'OPEN'"))
    admin_note: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Complaint(Struct, frozen=True):
    """A complaint as read."""

    id: ComplaintId
    user_id: UserId
    booking_id: BookingId
    message: str
    status: ComplaintState
    admin_note: str | None
    version: int
    created_at: datetime
    updated_at: datetime
