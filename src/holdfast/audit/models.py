"""Who did what: append-only, monthly partitions. Beside it the chain that seals it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import Role, UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base
from holdfast.events.models import LogPosition, Xid8


class AuditId(Id, prefix="aud"):
    __slots__ = ()


class AuditLogTable(Base):
    """One row for each act. What stood before and after are ids, states and amounts; a personal value is there only
    encrypted under the key of its person (rule 14).
    """

    __tablename__ = "audit_logs"
    __table_args__ = (
        CheckConstraint("actor_role IN ('PASSENGER', 'DRIVER', 'PROVIDER', 'ADMIN', 'SYSTEM')", name="actor_role"),
        Index("audit_logs_order_idx", "epoch", "xid", "position"),
        Index("audit_logs_entity_id_idx", "entity_id", "id"),
        Index("audit_logs_actor_id_idx", "actor_id", "id"),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, server_default=text("log_epoch()"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    position: Mapped[int] = mapped_column(BigInteger, server_default=text("nextval('audit_logs_position')"))
    actor_id: Mapped[UUID] = mapped_column(Uuid)
    actor_role: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    entity: Mapped[str] = mapped_column(Text)
    entity_id: Mapped[UUID] = mapped_column(Uuid)
    before: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class AuditSealTable(Base):
    """The seal of one row of the audit log: its number and place in the order of the log, and the hash over it and all before it.
    Append-only.
    """

    __tablename__ = "audit_seals"
    __table_args__ = (CheckConstraint("number > 0", name="number"), CheckConstraint("length(hash) = 32", name="hash"))

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    log_id: Mapped[UUID] = mapped_column(Uuid)
    epoch: Mapped[int] = mapped_column(Integer)
    xid: Mapped[int] = mapped_column(Xid8)
    position: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditChainHeadTable(Base):
    """The last seal, in one row. Whoever has its lock seals."""

    __tablename__ = "audit_chain_head"
    __table_args__ = (CheckConstraint("one", name="one"), CheckConstraint("length(hash) = 32", name="hash"))

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    epoch: Mapped[int] = mapped_column(Integer)
    xid: Mapped[int] = mapped_column(Xid8)
    position: Mapped[int] = mapped_column(BigInteger)
    sealed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class AuditEntry(Struct, frozen=True):
    """A row of the audit log as read."""

    id: AuditId
    actor_id: UserId
    actor_role: Role
    action: str
    entity: str
    entity_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    created_at: datetime


class LoggedRow(Struct, frozen=True):
    """A row of the audit log as it is sealed: everything in it, JSON as its text, time in microseconds since 1970.

    Whatever somebody may have put there can be read: None is a time that is infinite.
    """

    id: AuditId
    epoch: int
    xid: int
    position: int
    actor_id: UUID
    actor_role: str
    action: str
    entity: str
    entity_id: UUID
    before: str | None
    after: str | None
    created_us: int | None

    @property
    def place(self) -> LogPosition:
        return LogPosition(self.epoch, self.xid, self.position)


class Seal(Struct, frozen=True):
    """The seal of the row ``log_id``, the ``number``-th of the log. Where the chain begins is number 0, which seals nothing."""

    number: int
    log_id: AuditId | None
    epoch: int
    xid: int
    position: int
    hash: bytes

    @property
    def place(self) -> LogPosition:
        return LogPosition(self.epoch, self.xid, self.position)


class ChainHead(Struct, frozen=True):
    """Where the chain ends."""

    number: int
    hash: bytes
    epoch: int
    xid: int
    position: int
    sealed_at: datetime

    @property
    def seal(self) -> Seal:
        return Seal(self.number, None, self.epoch, self.xid, self.position, self.hash)
