"""Pools of capacity, and who has how much of them: the core. Knows nothing of buses, hotels, users or money."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.ids import Id
from holdfast.database.base import Base


class PoolId(Id, prefix="pol"):
    __slots__ = ()


class HoldId(Id, prefix="hld"):
    """A hold has the UUID of its booking, so ``hld_`` and ``bkg_`` both name it."""

    __slots__ = ()


class PoolTable(Base):
    """Identical units of capacity for one period. ``capacity = free + held + sold``, always.

    Found by owner and start, never by the owner alone: one session may have a pool for each leg one day.
    """

    __tablename__ = "pools"
    __table_args__ = (
        # The last wall: whatever the program does, the database refuses to sell one thing twice.
        CheckConstraint("held >= 0 AND sold >= 0 AND held + sold <= capacity", name="counters"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="period"),
        Index("pools_owner_idx", "owner_kind", "owner_id", "starts_at", unique=True),
        {"postgresql_with": {"fillfactor": "60"}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID] = mapped_column(Uuid)
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    capacity: Mapped[int] = mapped_column(Integer)
    held: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    sold: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class HoldTable(Base):
    """Lines taken until a deadline of the database's clock."""

    __tablename__ = "holds"
    __table_args__ = (CheckConstraint("expires_at > created_at", name="lifetime"), Index("holds_expires_at_idx", "expires_at"))

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class HoldLineTable(Base):
    """What a hold has of a pool, and until when, which is the hold's deadline: so what lapsed on a pool is found by the pool.

    Without foreign keys: whoever has locked the hold's row owns its lines.
    """

    __tablename__ = "hold_lines"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("hold_lines_pool_id_expires_at_idx", "pool_id", "expires_at"),
    )

    hold_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    pool_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class SoldLineTable(Base):
    """What was sold of a pool, under the id of the hold that was confirmed, which is its booking's."""

    __tablename__ = "sold_lines"
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity"), Index("sold_lines_pool_id_idx", "pool_id"))

    hold_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    pool_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    quantity: Mapped[int] = mapped_column(Integer)


class Pool(Struct, frozen=True):
    """A pool as it was when it was read, or as it is while its row is locked."""

    id: PoolId
    owner_kind: str
    owner_id: UUID
    capacity: int
    held: int
    sold: int
    version: int
    closed_at: datetime | None

    @property
    def free(self) -> int:
        """Units that nobody has, not counting those of lapsed holds that were not yet given back."""
        return self.capacity - self.held - self.sold


class NewPool(Struct, frozen=True):
    """A pool to be opened."""

    id: PoolId
    owner_kind: str
    owner_id: UUID
    capacity: int
    starts_at: datetime
    ends_at: datetime | None = None


class Line(Struct, frozen=True):
    """A quantity of one pool."""

    pool: PoolId
    quantity: int


class ClaimRequest(Struct, frozen=True):
    """What someone wants: all lines or none, until ``lifetime`` after the claim.

    ``or_else`` are lines that would do as well, in the order of preference: other seats beside each other, say.
    """

    hold: HoldId
    lines: tuple[Line, ...]
    lifetime: timedelta
    or_else: tuple[tuple[Line, ...], ...] = ()

    @property
    def choices(self) -> tuple[tuple[Line, ...], ...]:
        return (self.lines, *self.or_else)

    @property
    def pools(self) -> frozenset[PoolId]:
        """Every pool that it may take something of."""
        return frozenset(line.pool for lines in self.choices for line in lines)


class Hold(Struct, frozen=True):
    """A hold as granted, or as locked. ``live`` is whether its deadline was still ahead when it was read."""

    id: HoldId
    expires_at: datetime
    live: bool


class Shortage(Struct, frozen=True):
    """Why a claim was refused: the pool that fell short, and what it had; where there were other choices, what all of them had.

    ``may_free_up_at`` is when the next hold on it lapses, None where no live hold is on it. ``momentary``: lapsed holds are left on it,
    which somebody has just now, so it should be asked again.
    """

    pool: PoolId
    free: int
    closed: bool
    may_free_up_at: datetime | None = None
    momentary: bool = False


class Claim(Struct, frozen=True):
    """Grants and refusals of a set of requests, and the pools as they stand after them, still locked.

    ``lines`` are those that each grant took: the first of its choices that could be had.
    """

    granted: dict[HoldId, Hold]
    lines: dict[HoldId, tuple[Line, ...]]
    refused: dict[HoldId, Shortage]
    pools: dict[PoolId, Pool]


class Change(Struct, frozen=True):
    """What is sold under a hold now, and all pools concerned, the old ones too, as they stand after it, still locked."""

    lines: tuple[Line, ...]
    pools: dict[PoolId, Pool]


class ChangeRefused(Exception):
    """What somebody wants instead cannot be had. Roll back, and they still have what they had."""

    def __init__(self, shortage: Shortage) -> None:
        super().__init__(shortage)
        self.shortage = shortage


class CapacityInUse(Exception):
    """A pool cannot become smaller than what is held and sold of it: ``used`` units."""

    def __init__(self, pool: PoolId, used: int) -> None:
        super().__init__(pool, used)
        self.pool = pool
        self.used = used


class Free(Struct, frozen=True):
    """What a pool has to offer: lapsed holds count as free."""

    pool: PoolId
    capacity: int
    free: int
    sold: int
    version: int
    closed: bool


class MovedLine(Struct, frozen=True):
    """A line that was sold, released or given back."""

    hold_id: HoldId
    pool_id: PoolId
    quantity: int

    @property
    def pool(self) -> PoolId:
        return self.pool_id
