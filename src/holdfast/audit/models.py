"""Who did what: append-only, monthly partitions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import Role, UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base
from holdfast.events.models import Xid8


class AuditId(Id, prefix="aud"):
    __slots__ = ()


class AuditLogTable(Base):
    """One row for each act. No personal data: what stood before and after are ids, states and amounts (rule 14)."""

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
