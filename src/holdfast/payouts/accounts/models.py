"""Bank accounts, as they are kept and as they are read."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.database.base import Base


class PayoutAccountId(Id, prefix="pac"):
    __slots__ = ()


class AccountTable(Base):
    """An account that somebody's payouts go to, or once went to: never changed, another one is added.

    ``sealed`` is where and whose it is, under the payee's own key (``vault``): unreadable when the person is forgotten. No money goes
    there before ``usable_at``, so that whoever got hold of a telephone does not get hold of the money too.
    """

    __tablename__ = "payout_accounts"
    __table_args__ = (
        CheckConstraint("usable_at >= created_at", name="cooling"),
        Index("payout_accounts_payee_id_idx", "payee_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    payee_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id"))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    usable_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class Destination(Struct, frozen=True):
    """Where money goes: what a bank must know, and what is sealed."""

    holder: str
    iban: str
    bic: str | None


class SealedAccount(Struct, frozen=True):
    """An account as it is kept. ``is_usable``: money may go there. ``is_present``: the payee has not named another one since."""

    id: PayoutAccountId
    payee_id: UserId
    sealed: bytes
    usable_at: datetime
    created_at: datetime
    is_usable: bool
    is_present: bool


class ShownAccount(Struct, frozen=True):
    """An account as its owner sees it. ``iban`` shows its end only; None where nobody can read it any more."""

    id: PayoutAccountId
    holder: str | None
    iban: str | None
    bic: str | None
    usable_at: datetime
    created_at: datetime
