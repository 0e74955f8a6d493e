"""The keys of persons, each sealed by the vault."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.database.base import Base


class VaultKeyTable(Base):
    """Destroying a person's row makes all that is encrypted under it unreadable, wherever it is kept."""

    __tablename__ = "vault_keys"

    person_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    key_id: Mapped[str] = mapped_column(Text)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
