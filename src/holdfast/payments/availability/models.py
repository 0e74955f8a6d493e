"""What admins switched off, and which gateways do not answer."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.database.base import Base

NOTE_LENGTH_MAX = 500


class SwitchId(Id, prefix="psw"):
    __slots__ = ()


class SwitchKind(StrEnum):
    GATEWAY = "GATEWAY"
    METHOD = "METHOD"


class SwitchTable(Base):
    """A gateway or a method of payment that an admin switched off, or on again. Without a row it is on."""

    __tablename__ = "payment_switches"
    __table_args__ = (
        CheckConstraint("kind IN ('GATEWAY', 'METHOD')", name="kind"),
        CheckConstraint("length(note) <= 500", name="note"),
    )

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid)
    is_off: Mapped[bool] = mapped_column(Boolean)
    note: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    changed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class BreakerTable(Base):
    """How often in a row a gateway gave no answer, in all processes. Until ``open_until`` nobody asks it; then one payment does."""

    __tablename__ = "gateway_breakers"
    __table_args__ = (CheckConstraint("failures >= 0", name="failures"),)

    gateway: Mapped[str] = mapped_column(Text, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    open_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Switch(Struct, frozen=True):
    """A switch as read."""

    id: SwitchId
    kind: SwitchKind
    name: str
    is_off: bool
    note: str
    version: int
    changed_at: datetime


class Standing(Struct, frozen=True):
    """How a gateway stands. ``is_open``: nobody asks it; ``is_half_open``: one payment may try."""

    gateway: str
    is_off: bool
    failures: int
    is_open: bool
    is_half_open: bool
