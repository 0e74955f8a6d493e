"""Top-ups: money that is to go into a wallet. What is in it is the ledger's to say."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base

TOP_UP_KIND = "top_up"
"""What payments call a top-up among the things that can be paid for."""

TOP_UP_MAX = 10_000_000
"""The most that one top-up may be, in minor units: a typing mistake is not worth a refund."""


class TopUpId(Id, prefix="top"):
    __slots__ = ()


class TopUpTable(Base):
    """Money that somebody wants in their wallet, in minor units. ``filled_at`` is when it was paid for and there."""

    __tablename__ = "wallet_top_ups"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("wallet_top_ups_user_id_idx", "user_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    filled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class TopUp(Struct, frozen=True):
    """A top-up as read."""

    id: TopUpId
    user_id: UserId
    amount: int
    currency: str
    filled_at: datetime | None
    version: int
    created_at: datetime

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.amount)
