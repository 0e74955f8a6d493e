"""One row for each person."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.language import Language
from holdfast.database.base import Base


class PersonRole(StrEnum):
    """The roles that a person can have."""

    PASSENGER = "PASSENGER"
    DRIVER = "DRIVER"
    PROVIDER = "PROVIDER"
    ADMIN = "ADMIN"


class UserTable(Base):
    """A person. The phone may be missing: people with only an e-mail come later, and who is erased keeps the row."""

    __tablename__ = "users"
    __table_args__ = (
        UniqueConstraint("phone"),
        CheckConstraint("phone ~ '^[+][1-9][0-9]{6,14}$'", name="phone"),
        CheckConstraint("role IN ('PASSENGER', 'DRIVER', 'PROVIDER', 'ADMIN')", name="role"),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name"),
        CheckConstraint("language IN ('ar', 'en')", name="language"),
        Index("users_role_idx", "role", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    phone: Mapped[str | None] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    is_verified: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    name: Mapped[str | None] = mapped_column(Text)
    language: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class User(Struct, frozen=True):
    """A person as read. ``phone`` is in E.164; ``is_verified`` says that whoever signed in could read its messages."""

    id: UserId
    phone: str | None
    role: Role
    is_active: bool
    is_verified: bool
    name: str | None
    language: Language | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def actor(self) -> Actor:
        return Actor(self.id, self.role)
