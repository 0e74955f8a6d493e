"""One row for each Idempotency-Key that had an effect."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.database.base import Base


class IdempotencyKeyTable(Base):
    """A key of one actor, what was asked under it, and the answer: kept whole, or rebuilt from the thing it made."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        CheckConstraint("length(key) BETWEEN 1 AND 255", name="key_length"),
        Index("idempotency_keys_created_at_idx", "created_at", postgresql_using="brin"),
    )

    actor_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    result_id: Mapped[UUID | None] = mapped_column(Uuid)
    answer: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
