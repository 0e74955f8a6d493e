"""Waiting rooms, the counters that number places, and the places."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Double, Index, Integer, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.database.base import Base
from holdfast.waiting.states import PlaceState, RoomState

PER_SECOND_MIN = 0.01
PER_SECOND_MAX = 1000.0
INSIDE_MAX = 100_000

PER_SECOND_DEFAULT = 100.0
INSIDE_DEFAULT = 500


class WaitingRoomTable(Base):
    """An owner before which people wait in line, and how far the line has come. One row for each, kept when it is off.

    Who admits locks this row; who joins does not.
    """

    __tablename__ = "waiting_rooms"
    __table_args__ = (
        CheckConstraint("state IN ('OPEN', 'SOLD_OUT', 'ENDED', 'OFF')", name="state"),
        CheckConstraint(f"per_second BETWEEN {PER_SECOND_MIN} AND 1000", name="per_second"),
        CheckConstraint("inside_max > 0", name="inside_max"),
        CheckConstraint("admitted_up_to >= 0", name="admitted_up_to"),
        Index("waiting_rooms_open_idx", "owner_id", postgresql_where=text("state IN ('OPEN', 'SOLD_OUT')")),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    owner_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    per_second: Mapped[float] = mapped_column(Double)
    inside_max: Mapped[int] = mapped_column(Integer)
    admitted_up_to: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    credit_from: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    moved_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class WaitingCounterTable(Base):
    """The last number that was given out in a waiting room. Who joins locks this row, so numbers are committed in their order."""

    __tablename__ = "waiting_counters"
    __table_args__ = (CheckConstraint("last_number >= 0", name="last_number"), {"postgresql_with": {"fillfactor": "50"}})

    owner_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    last_number: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class WaitingPlaceTable(Base):
    """One person's place in line, however many tabs they have. Whoever joins again gets a new number in the same row.

    ``booking_id`` is the hold that it was used for.
    """

    __tablename__ = "waiting_places"
    __table_args__ = (
        UniqueConstraint("owner_id", "number", name="waiting_places_number_key"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("joins > 0", name="joins"),
        CheckConstraint("(admitted_at IS NULL) = (admitted_until IS NULL) AND admitted_until > admitted_at", name="window"),
        CheckConstraint("booking_id IS NULL OR admitted_at IS NOT NULL", name="used_when_admitted"),
        Index(
            "waiting_places_inside_idx",
            "owner_id",
            "admitted_until",
            postgresql_where=text("admitted_at IS NOT NULL AND booking_id IS NULL"),
        ),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    owner_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    joined_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    admitted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    admitted_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    booking_id: Mapped[UUID | None] = mapped_column(Uuid)
    joins: Mapped[int] = mapped_column(Integer, server_default=text("1"))


class Room(Struct, frozen=True):
    """A waiting room as read. ``last_number`` is the last one given out; numbers beyond ``admitted_up_to`` wait, each of them."""

    owner_kind: str
    owner_id: UUID
    state: RoomState
    per_second: float
    inside_max: int
    admitted_up_to: int
    last_number: int
    version: int

    @property
    def waiting(self) -> int:
        """How many people wait."""
        return self.last_number - self.admitted_up_to


class Place(Struct, frozen=True):
    """One person's place as read. ``admitted_until`` is when the turn ends, None while it has not come."""

    user_id: UserId
    number: int
    state: PlaceState
    admitted_until: datetime | None
    joins: int


class Standing(Struct, frozen=True):
    """A place and the room around it. ``wait_s`` is about how many seconds are left, None where nobody can tell."""

    room: Room
    number: int
    state: PlaceState
    admitted_until: datetime | None
    wait_s: int | None
    ticket: str

    @property
    def ahead(self) -> int:
        """How many people come before this one: numbers beyond the admitted ones have no gaps."""
        return max(0, self.number - self.room.admitted_up_to - 1)
