"""Lines of settlement files, and differences between a gateway and us."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Date, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base

NOTE_LENGTH_MAX = 500


class SettlementLineId(Id, prefix="stl"):
    __slots__ = ()


class DifferenceId(Id, prefix="dif"):
    __slots__ = ()


class MovementKind(StrEnum):
    """What moved at a gateway. FEE stands for a fee of its own, not that of a capture; PAYOUT for what it sent to our bank."""

    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    DISPUTE = "DISPUTE"
    FEE = "FEE"
    PAYOUT = "PAYOUT"


class Source(StrEnum):
    """Who says so: the gateway's list of movements, asked for again and again, or a settlement file."""

    LIST = "LIST"
    FILE = "FILE"


class DifferenceKind(StrEnum):
    MISSING_HERE = "MISSING_HERE"
    MISSING_THERE = "MISSING_THERE"
    OTHER_AMOUNT = "OTHER_AMOUNT"
    OTHER_CURRENCY = "OTHER_CURRENCY"
    FEE = "FEE"
    DUPLICATE = "DUPLICATE"
    LATE = "LATE"


class Owner(StrEnum):
    """Whose it is to clear up."""

    OURS = "OURS"
    GATEWAY = "GATEWAY"


class Remedy(Struct, frozen=True):
    """Who clears a difference up, and what a person should do."""

    owner: Owner
    action: str


REMEDIES: Mapping[DifferenceKind, Remedy] = {
    DifferenceKind.MISSING_HERE: Remedy(
        Owner.OURS, "The gateway moved money that our books do not know. Find out who asked for it; give it back there if nobody did."
    ),
    DifferenceKind.MISSING_THERE: Remedy(
        Owner.GATEWAY,
        "We booked money that the gateway does not know. Ask them, with our id and their reference.",
    ),
    DifferenceKind.OTHER_AMOUNT: Remedy(
        Owner.GATEWAY, "The amounts differ. Ask the gateway why; book an adjustment only with an answer in writing."
    ),
    DifferenceKind.OTHER_CURRENCY: Remedy(
        Owner.GATEWAY, "It was settled in another currency. Ask the gateway for their rate and for the settlement currency of the account."
    ),
    DifferenceKind.FEE: Remedy(Owner.GATEWAY, "Gross less fee is not net. Ask the gateway for a corrected file."),
    DifferenceKind.DUPLICATE: Remedy(Owner.GATEWAY, "The gateway lists it more than once. Ask them to take the others back."),
    DifferenceKind.LATE: Remedy(Owner.GATEWAY, "The gateway has the money and has not settled it in time. Ask them when they will."),
}


class SettlementLineTable(Base):
    """One line of a gateway's settlement file, once however often the file is read. Amounts are in minor units, seen from us: above zero
    came in, below zero went out; ``fee`` is what the gateway kept. Nobody may change or delete a row.
    """

    __tablename__ = "settlement_lines"
    __table_args__ = (
        CheckConstraint("kind IN ('CAPTURE', 'REFUND', 'DISPUTE', 'FEE', 'PAYOUT')", name="kind"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("settlement_lines_reference_idx", "gateway", "kind", "reference", unique=True),
        Index("settlement_lines_subject_id_idx", "subject_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    gateway: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID | None] = mapped_column(Uuid)
    gross: Mapped[int] = mapped_column(BigInteger)
    fee: Mapped[int] = mapped_column(BigInteger)
    net: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    settled_on: Mapped[date] = mapped_column(Date)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class DifferenceTable(Base):
    """Something about which a gateway and our books do not agree. ``ours`` and ``theirs`` are in minor units; one is missing where a side
    knows nothing. It is resolved by itself when it is gone, or by an admin with a note, and then never opens again.
    """

    __tablename__ = "settlement_differences"
    __table_args__ = (
        CheckConstraint("source IN ('LIST', 'FILE')", name="source"),
        CheckConstraint(
            "kind IN ('MISSING_HERE', 'MISSING_THERE', 'OTHER_AMOUNT', 'OTHER_CURRENCY', 'FEE', 'DUPLICATE', 'LATE')", name="kind"
        ),
        CheckConstraint("movement IN ('CAPTURE', 'REFUND', 'DISPUTE', 'FEE', 'PAYOUT')", name="movement"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("(resolved_by IS NULL OR resolved_at IS NOT NULL) AND (resolved_by IS NULL) = (note IS NULL)", name="resolved"),
        CheckConstraint("length(note) BETWEEN 1 AND 500", name="note"),
        Index("settlement_differences_once_idx", "gateway", "source", "kind", "movement", "subject", unique=True),
        Index("settlement_differences_open_idx", "first_seen_at", postgresql_where=text("resolved_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    gateway: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    movement: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    ours: Mapped[int | None] = mapped_column(BigInteger)
    theirs: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    first_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    last_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    announced_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    resolved_by: Mapped[UUID | None] = mapped_column(Uuid)
    note: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))


class Moved(Struct, frozen=True):
    """One movement of money, as one side knows it. ``subject`` is our id of it, or the gateway's reference where that is all there is.

    ``minor`` is above zero where the money came in. ``is_due``: old enough that the other side must know of it too.
    """

    kind: MovementKind
    subject: str
    currency: str
    minor: int
    is_due: bool = True


class Found(Struct, frozen=True):
    """A difference, as found."""

    kind: DifferenceKind
    movement: MovementKind
    subject: str
    currency: str
    ours: int | None = None
    theirs: int | None = None


class Line(Struct, frozen=True):
    """A line of a settlement file, to be written."""

    kind: MovementKind
    reference: str
    subject_id: UUID | None
    gross: int
    fee: int
    net: int
    currency: str
    settled_on: date


class SettlementLine(Struct, frozen=True):
    """A line of a settlement file as read."""

    id: SettlementLineId
    gateway: str
    kind: MovementKind
    reference: str
    subject_id: UUID | None
    gross: int
    fee: int
    net: int
    currency: str
    settled_on: date
    created_at: datetime

    @property
    def subject(self) -> str:
        return str(self.subject_id) if self.subject_id else self.reference


class Difference(Struct, frozen=True):
    """A difference as read."""

    id: DifferenceId
    gateway: str
    source: Source
    kind: DifferenceKind
    movement: MovementKind
    subject: str
    ours: int | None
    theirs: int | None
    currency: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolved_by: UserId | None
    note: str | None
    version: int

    @property
    def remedy(self) -> Remedy:
        return REMEDIES[self.kind]
