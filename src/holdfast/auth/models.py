"""Codes that were sent, sign-ins, and the refresh tokens of those."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import Actor, UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base
from holdfast.users import User


class ChallengeId(Id, prefix="chl"):
    __slots__ = ()


class LoginId(Id, prefix="lgn"):
    __slots__ = ()


class EndReason(StrEnum):
    """Why a sign-in ended."""

    LOGGED_OUT = "LOGGED_OUT"
    ACCESS_CHANGED = "ACCESS_CHANGED"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105 - a reason.


class OtpChallengeTable(Base):
    """A code that was sent to a phone, as a keyed hash. Deleted a day after it expired."""

    __tablename__ = "otp_challenges"
    __table_args__ = (
        CheckConstraint("phone ~ '^[+][1-9][0-9]{6,14}$'", name="phone"),
        CheckConstraint("octet_length(code_hash) = 32", name="code_hash"),
        CheckConstraint("tries_left >= 0", name="tries_left"),
        CheckConstraint("expires_at > created_at", name="lifetime"),
        Index("otp_challenges_expires_at_idx", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    phone: Mapped[str] = mapped_column(Text)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary)
    is_test: Mapped[bool] = mapped_column(Boolean)
    tries_left: Mapped[int] = mapped_column(SmallInteger)
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class LoginTable(Base):
    """One sign-in of a person on one device: the family of its refresh tokens.

    Access tokens carry the generation; those of an earlier one count no longer. It grows when the sign-in ends and when the
    person's role changes, and ``changed_at`` says when that was.
    """

    __tablename__ = "logins"
    __table_args__ = (
        CheckConstraint("generation > 0", name="generation"),
        CheckConstraint("end_reason IN ('LOGGED_OUT', 'ACCESS_CHANGED', 'TOKEN_REUSED')", name="end_reason"),
        CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended"),
        CheckConstraint("ended_at IS NULL OR changed_at IS NOT NULL", name="changed"),
        Index("logins_user_id_idx", "user_id", postgresql_where=text("ended_at IS NULL")),
        Index("logins_changed_at_idx", "changed_at", postgresql_where=text("changed_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    generation: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    changed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    end_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class RefreshTokenTable(Base):
    """A refresh token, as a hash. A used one stays until it expires, so that its second use is noticed."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash"),
        CheckConstraint("expires_at > created_at", name="lifetime"),
        Index("refresh_tokens_login_id_idx", "login_id"),
        Index("refresh_tokens_expires_at_idx", "expires_at"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    login_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("logins.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Challenge(Struct, frozen=True):
    """What somebody must answer with the code that was sent."""

    id: ChallengeId
    expires_at: datetime


class TriedCode(Struct, frozen=True):
    """What became of one try: the challenge as it stands after it."""

    phone: str
    is_test: bool
    is_right: bool
    tries_left: int


class Login(Struct, frozen=True):
    """A sign-in as read."""

    id: LoginId
    user_id: UserId
    generation: int
    ended_at: datetime | None


class UsedToken(Struct, frozen=True):
    """A refresh token that cannot be used (again)."""

    login_id: LoginId
    was_used: bool
    was_used_just_now: bool


class SignedIn(Actor, frozen=True):
    """A user with a valid access token, and the sign-in that it belongs to."""

    login_id: LoginId
    generation: int

    @property
    def actor(self) -> Actor:
        return Actor(self.id, self.role)


class Credentials(Struct, frozen=True):
    """What a person has after signing in. ``lifetime_s`` is that of the access token."""

    user: User
    access_token: str
    refresh_token: str
    lifetime_s: int
