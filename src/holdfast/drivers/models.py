"""One row for each person who ever applied to drive."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base
from holdfast.drivers.states import VerificationStatus

SEATS_MAX = 60
_SHOWN_DIGITS = 3


class DriverId(Id, prefix="drv"):
    __slots__ = ()


class DriverProfileTable(Base):
    """A person's vehicle and licence, and what an admin decided.

    ``license_number`` is sealed under the person's own key (``vault``): it becomes unreadable when the person is forgotten.
    """

    __tablename__ = "driver_profiles"
    __table_args__ = (
        # Two taps on "apply" must not make two drivers of one person.
        UniqueConstraint("user_id"),
        CheckConstraint("total_seats BETWEEN 1 AND 60", name="total_seats"),
        CheckConstraint("verification_status IN ('PENDING', 'APPROVED', 'REJECTED')", name="verification_status"),
        CheckConstraint("(verification_status = 'REJECTED') = (rejection_reason IS NOT NULL)", name="rejected_has_a_reason"),
        CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name="decided"),
        CheckConstraint("verification_status <> 'PENDING' OR decided_at IS NULL", name="pending_is_undecided"),
        Index("driver_profiles_verification_status_idx", "verification_status", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    vehicle_number: Mapped[str] = mapped_column(Text)
    vehicle_type: Mapped[str] = mapped_column(Text)
    total_seats: Mapped[int] = mapped_column(Integer)
    license_number: Mapped[bytes] = mapped_column(LargeBinary)
    verification_status: Mapped[str] = mapped_column(Text)
    rejection_reason: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[UUID | None] = mapped_column(Uuid)
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Driver(Struct, frozen=True):
    """A driver's profile as read, without the licence. ``rejection_reason`` is in the admin's words."""

    id: DriverId
    user_id: UserId
    vehicle_number: str
    vehicle_type: str
    total_seats: int
    verification_status: VerificationStatus
    rejection_reason: str | None
    decided_at: datetime | None
    version: int
    created_at: datetime


class Sealed(Struct, frozen=True):
    """A licence number as it is kept."""

    license_number: bytes


class Licensed(Struct, frozen=True):
    """A driver with the licence number, as far as whoever asks may read it. None where nobody can: the person was forgotten."""

    driver: Driver
    license_number: str | None


class Application(Struct, frozen=True):
    """What somebody applies with. ``license_number`` is sealed."""

    vehicle_number: str
    vehicle_type: str
    total_seats: int
    license_number: bytes


def masked(license_number: str | None) -> str | None:
    """All but the last three characters hidden, and a short one altogether."""
    if license_number is None:
        return None
    shown = license_number[-_SHOWN_DIGITS:] if len(license_number) > 2 * _SHOWN_DIGITS else ""
    return "•" * (len(license_number) - len(shown)) + shown
