"""The log of what happened, and how far each consumer has read it."""

import re
from datetime import datetime
from typing import Self
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from holdfast.database.base import Base

_WRITTEN = re.compile(r"(\d{1,10})-(\d{1,19})-(\d{1,19})", re.ASCII)
_EPOCH_MAX = 2**31 - 1
_BIGINT_MAX = 2**63 - 1


class Xid8(UserDefinedType[int]):
    """A transaction id that never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class LogEpochTable(Base):
    """Epochs of the log. A restored or copied cluster begins a new one, because its transaction ids start anew."""

    __tablename__ = "log_epochs"
    __table_args__ = (CheckConstraint("epoch > 0", name="epoch"),)

    epoch: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    began_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class EventTable(Base):
    """One row for each thing that happened, written in the transaction that made it true. Append-only, monthly partitions."""

    __tablename__ = "events"
    __table_args__ = (Index("events_order_idx", "epoch", "xid", "position"), {"postgresql_partition_by": "RANGE (id)"})

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("log_epoch()"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    position: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('events_position')"))
    name: Mapped[str] = mapped_column(Text)
    subject_kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[dict[str, object]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class EventCursorTable(Base):
    """The last event that a consumer has dealt with."""

    __tablename__ = "event_cursors"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer)
    xid: Mapped[int] = mapped_column(Xid8)
    position: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class LogPosition(Struct, frozen=True, order=True):
    """A place in the log. The order is (epoch, xid, position); it is not the order of commits."""

    epoch: int
    xid: int
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.xid}-{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` wrote. Raises ValueError."""
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise ValueError(f"Not a place in the log: {text!r}")
        epoch, xid, position = (int(number) for number in written.groups())
        if epoch > _EPOCH_MAX or max(xid, position) > _BIGINT_MAX:
            raise ValueError(f"Not a place in the log: {text!r}")
        return cls(epoch, xid, position)


START_OF_LOG = LogPosition(0, 0, 0)
