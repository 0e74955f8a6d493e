"""The core with a few pools, seen whole: every row of it before and after a move."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from holdfast.database import Database, Tx
from holdfast.inventory import Claim, ClaimRequest, HoldId, Inventory, Line, NewPool, Pool, PoolId

FIVE_MINUTES = timedelta(minutes=5)
STARTS = datetime(2026, 11, 21, tzinfo=UTC)


class Told:
    """An owner that remembers what it was told: which holds were given back, and how their pools then stood."""

    def __init__(self) -> None:
        self.given_back_ids: list[HoldId] = []
        self.pools: dict[PoolId, Pool] = {}

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
        self.given_back_ids.extend(hold_ids)
        self.pools.update(pools)


@dataclass(frozen=True)
class Seen:
    """Every row of the core. Pools as (held, sold, version, closed)."""

    pools: Mapping[UUID, tuple[int, int, int, bool]]
    holds: Mapping[UUID, datetime]
    held: Mapping[tuple[UUID, UUID], int]
    sold: Mapping[tuple[UUID, UUID], int]


class Core:
    """An inventory on a database of its own, with an owner that remembers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.told = Told()
        self.inventory = Inventory()
        self.inventory.owner = self.told

    async def open(self, *capacities: int) -> list[PoolId]:
        """Pools in the order of their ids, written the other way round, so that no scan finds them in order by chance."""
        pools = sorted((NewPool(PoolId.new(), "test", uuid4(), capacity, STARTS) for capacity in capacities), key=lambda pool: pool.id)
        pools = [NewPool(pool.id, "test", uuid4(), capacity, STARTS) for pool, capacity in zip(pools, capacities, strict=True)]
        async with self.database.transaction() as tx:
            for pool in reversed(pools):
                await self.inventory.open_pools(tx, [pool])
        return [pool.id for pool in pools]

    async def try_claim(self, *wishes: Mapping[PoolId, int], lifetime: timedelta = FIVE_MINUTES) -> tuple[list[HoldId], Claim]:
        """One transaction that claims each wish; the ids it asked for, and the claim."""
        requests = [ClaimRequest(HoldId.new(), tuple(Line(pool, quantity) for pool, quantity in wish.items()), lifetime) for wish in wishes]
        async with self.database.transaction() as tx:
            claim = await self.inventory.claim(tx, requests)
        return [request.hold for request in requests], claim

    async def hold(self, wish: Mapping[PoolId, int], lifetime: timedelta = FIVE_MINUTES) -> HoldId:
        """A hold that was granted."""
        (hold,), claim = await self.try_claim(wish, lifetime=lifetime)
        assert hold in claim.granted, claim.refused
        return hold

    async def sell(self, wish: Mapping[PoolId, int]) -> HoldId:
        """A hold that was confirmed."""
        hold = await self.hold(wish)
        async with self.database.transaction() as tx:
            await self.lock(tx, hold)
            assert hold in await self.inventory.confirm(tx, [hold])
        return hold

    async def lock(self, tx: Tx, *holds: HoldId) -> Mapping[PoolId, Pool]:
        """Holds and their pools, as whoever confirms or releases has to."""
        await self.inventory.lock_holds(tx, holds)
        return await self.inventory.lock_pools(tx, await self.inventory.pools_of(tx, holds))

    async def see(self) -> Seen:
        async with self.database.reading() as tx:
            pools = await tx.rows(text("SELECT id, held, sold, version, closed_at IS NOT NULL AS closed FROM pools"))
            holds = await tx.rows(text("SELECT id, expires_at FROM holds"))
            held = await tx.rows(text("SELECT hold_id, pool_id, quantity FROM hold_lines"))
            sold = await tx.rows(text("SELECT hold_id, pool_id, quantity FROM sold_lines"))
        return Seen(
            {row["id"]: (row["held"], row["sold"], row["version"], row["closed"]) for row in pools},
            {row["id"]: row["expires_at"] for row in holds},
            {(row["hold_id"], row["pool_id"]): row["quantity"] for row in held},
            {(row["hold_id"], row["pool_id"]): row["quantity"] for row in sold},
        )

    async def deadlines_of_lines(self) -> dict[HoldId, set[datetime]]:
        """Those of each hold, which should be one."""
        async with self.database.reading() as tx:
            rows = await tx.rows(text("SELECT hold_id, array_agg(DISTINCT expires_at) AS deadlines FROM hold_lines GROUP BY hold_id"))
        return {HoldId.of(row["hold_id"]): set(row["deadlines"]) for row in rows}


async def without_indexes(tx: Tx) -> None:
    """Let this transaction read tables as they lie, so that an order that nobody asked for is not there by chance."""
    for way in ("indexscan", "bitmapscan", "indexonlyscan"):
        await tx.run(text(f"SET LOCAL enable_{way} = off"))
