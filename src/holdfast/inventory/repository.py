"""The statements of the core, one function each."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from holdfast.database import Tx, queries
from holdfast.inventory.counting import quantities
from holdfast.inventory.models import ClaimRequest, Free, Hold, HoldId, MovedLine, NewPool, Pool, PoolId

SQL = queries(__file__)

POOL_WAIT_MS = 250
"""How long is waited for a pool, as ``short_wait`` says."""
OLDEST_MAX = 20
"""The worker looks at the pools of so many of the longest lapsed holds, which bounds how many pools it locks."""
SPARE = 20
"""How many lapsed holds of a pool a claim takes beyond what it needs: somebody may have some of them."""


class _PoolRow(Struct, frozen=True):
    pool_id: PoolId


class _HoldRow(Struct, frozen=True):
    id: HoldId


class _HoldOfPoolRow(Struct, frozen=True):
    hold_id: HoldId


class _DeadlineRow(Struct, frozen=True):
    pool_id: PoolId
    at: datetime


async def open_pools(tx: Tx, pools: Sequence[NewPool]) -> None:
    await tx.run(
        SQL.open_pools,
        ids=[pool.id for pool in pools],
        owner_kinds=[pool.owner_kind for pool in pools],
        owner_ids=[pool.owner_id for pool in pools],
        capacities=[pool.capacity for pool in pools],
        starts=[pool.starts_at for pool in pools],
        ends=[pool.ends_at for pool in pools],
    )


async def lock_lapsed(tx: Tx, wanted: Mapping[PoolId, int]) -> list[HoldId]:
    rows = await tx.all(SQL.lock_lapsed, _HoldRow, pool_ids=list(wanted), quantities=list(wanted.values()), spare=SPARE)
    return [row.id for row in rows]


async def pools_with_lapsed(tx: Tx, pool_ids: Sequence[PoolId]) -> frozenset[PoolId]:
    return frozenset(row.pool_id for row in await tx.all(SQL.pools_with_lapsed, _PoolRow, pool_ids=list(pool_ids)))


async def lock_some_lapsed(tx: Tx, limit: int) -> list[HoldId]:
    return [row.id for row in await tx.all(SQL.lock_some_lapsed, _HoldRow, limit=limit, oldest=min(limit, OLDEST_MAX))]


async def pools_of_holds(tx: Tx, hold_ids: Sequence[HoldId]) -> list[PoolId]:
    return [row.pool_id for row in await tx.all(SQL.pools_of_holds, _PoolRow, hold_ids=list(hold_ids))]


async def lines_of_holds(tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
    return await tx.all(SQL.lines_of_holds, MovedLine, hold_ids=list(hold_ids))


async def closed_pools_of_holds(tx: Tx, hold_ids: Sequence[HoldId]) -> dict[HoldId, PoolId]:
    rows = await tx.all(SQL.closed_pools_of_holds, MovedLine, hold_ids=list(hold_ids))
    return {row.hold_id: row.pool_id for row in rows}


async def pools_of_sales(tx: Tx, hold_ids: Sequence[HoldId]) -> list[PoolId]:
    return [row.pool_id for row in await tx.all(SQL.pools_of_sales, _PoolRow, hold_ids=list(hold_ids))]


class LockedTwice(AssertionError):
    """A transaction that has locked pools wants others too: the order of their ids is broken, and it may deadlock (rule 4)."""


async def lock_pools(tx: Tx, pool_ids: Sequence[PoolId]) -> dict[PoolId, Pool]:
    """Raises LockedTwice. Locking some of those again that are locked already waits for nobody and is allowed."""
    locked = tx.locked.setdefault("pools", frozenset(pool_ids))
    if not locked.issuperset(pool_ids):
        raise LockedTwice(sorted(set(pool_ids) - locked))
    if tx.lock_timeout_ms == POOL_WAIT_MS:
        # As it is at the desk, where three statements instead of one would be felt.
        pools = await tx.all(SQL.lock_pools, Pool, ids=list(pool_ids))
    else:
        async with tx.pipeline():
            await tx.run(SQL.short_wait)
            pools = await tx.all(SQL.lock_pools, Pool, ids=list(pool_ids))
            await tx.run(SQL.usual_wait)
    return {pool.id: pool for pool in pools}


async def lock_pools_nobody_has(tx: Tx, pool_ids: Sequence[PoolId]) -> dict[PoolId, Pool]:
    return {pool.id: pool for pool in await tx.all(SQL.lock_pools_nobody_has, Pool, ids=list(pool_ids))}


async def lock_holds(tx: Tx, hold_ids: Sequence[HoldId]) -> dict[HoldId, Hold]:
    return {hold.id: hold for hold in await tx.all(SQL.lock_holds, Hold, ids=list(hold_ids))}


async def grant(tx: Tx, requests: Sequence[ClaimRequest]) -> dict[HoldId, Hold]:
    lines = [(request, pool, quantity) for request in requests for pool, quantity in quantities(request.lines).items()]
    taken = quantities(line for request in requests for line in request.lines)
    now: datetime = await tx.value(
        SQL.grant,
        hold_ids=[request.hold for request in requests],
        lifetimes=[request.lifetime for request in requests],
        line_holds=[request.hold for request, _, _ in lines],
        line_pools=[pool for _, pool, _ in lines],
        line_quantities=[quantity for _, _, quantity in lines],
        line_lifetimes=[request.lifetime for request, _, _ in lines],
        pool_ids=list(taken),
        pool_quantities=list(taken.values()),
    )
    return {request.hold: Hold(request.hold, now + request.lifetime, live=True) for request in requests}


async def give_back_held(tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
    return await tx.all(SQL.give_back_held, MovedLine, hold_ids=list(hold_ids))


async def give_back_sold(tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
    return await tx.all(SQL.give_back_sold, MovedLine, hold_ids=list(hold_ids))


async def confirm(tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
    return await tx.all(SQL.confirm, MovedLine, hold_ids=list(hold_ids))


async def extend(tx: Tx, hold_id: HoldId, until: datetime) -> Hold | None:
    return await tx.first(SQL.extend, Hold, id=hold_id, until=until)


async def close(tx: Tx, pool_ids: Sequence[PoolId]) -> None:
    await tx.run(SQL.close, ids=list(pool_ids))


async def reopen(tx: Tx, pool_ids: Sequence[PoolId]) -> None:
    await tx.run(SQL.reopen, ids=list(pool_ids))


async def resize(tx: Tx, pool_id: PoolId, capacity: int) -> None:
    await tx.run(SQL.resize, id=pool_id, capacity=capacity)


async def free(tx: Tx, pool_ids: Sequence[PoolId]) -> dict[PoolId, Free]:
    return {found.pool: found for found in await tx.all(SQL.free, Free, ids=list(pool_ids))}


async def next_deadlines(tx: Tx, pool_ids: Sequence[PoolId]) -> Mapping[PoolId, datetime]:
    rows = await tx.all(SQL.next_deadlines, _DeadlineRow, pool_ids=list(pool_ids))
    return {row.pool_id: row.at for row in rows}


async def seconds_until_next_deadline(tx: Tx) -> float | None:
    seconds: float | None = await tx.value(SQL.next_deadline)
    return seconds


async def holds_on_pools(tx: Tx, pool_ids: Sequence[PoolId], limit: int) -> list[HoldId]:
    return [row.hold_id for row in await tx.all(SQL.holds_on_pools, _HoldOfPoolRow, pool_ids=list(pool_ids), limit=limit)]
