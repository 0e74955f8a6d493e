"""What can be claimed, confirmed and given back, one after another: the scenarios of the core."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from holdfast.database import Database, Tx
from holdfast.inventory import ClaimRequest, HoldId, Inventory, Line, NewPool, Pool, PoolId
from holdfast.inventory.repository import LockedTwice

FIVE_MINUTES = timedelta(minutes=5)
MoveTime = Callable[[timedelta], None]


class Told:
    """An owner that remembers which of its holds were given back."""

    def __init__(self) -> None:
        self.given_back_ids: list[HoldId] = []

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
        self.given_back_ids.extend(hold_ids)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def inventory(told: Told) -> Inventory:
    core = Inventory()
    core.owner = told
    return core


async def open_pool(database: Database, inventory: Inventory, capacity: int) -> PoolId:
    pool = NewPool(PoolId.new(), "test", uuid4(), capacity, datetime(2026, 11, 21, tzinfo=UTC))
    async with database.transaction() as tx:
        await inventory.open_pools(tx, [pool])
    return pool.id


async def claim(database: Database, inventory: Inventory, *wishes: Sequence[tuple[PoolId, int]]) -> list[HoldId | None]:
    """One transaction that claims each wish; the hold of each, or None where it was refused."""
    requests = [ClaimRequest(HoldId.new(), tuple(Line(pool, quantity) for pool, quantity in wish), FIVE_MINUTES) for wish in wishes]
    async with database.transaction() as tx:
        claimed = await inventory.claim(tx, requests)
    return [request.hold if request.hold in claimed.granted else None for request in requests]


async def counters(database: Database, inventory: Inventory, pool: PoolId) -> tuple[int, int, int]:
    """Free (lapsed holds counted as free), held and sold."""
    async with database.transaction() as tx:
        free = (await inventory.free(tx, [pool]))[pool]
        locked = (await inventory.lock_pools(tx, [pool]))[pool]
    return free.free, locked.held, locked.sold


async def confirm(database: Database, inventory: Inventory, hold: HoldId) -> bool:
    async with database.transaction() as tx:
        await inventory.lock_holds(tx, [hold])
        await inventory.lock_pools(tx, await inventory.pools_of(tx, [hold]))
        return hold in await inventory.confirm(tx, [hold])


async def test_units_are_granted_in_order_of_arrival_and_a_large_wish_blocks_nobody(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 3)
    holds = await claim(database, inventory, [(pool, 2)], [(pool, 2)], [(pool, 1)], [(pool, 1)])
    assert [hold is not None for hold in holds] == [True, False, True, False]
    assert await counters(database, inventory, pool) == (0, 3, 0)


async def test_a_wish_over_several_pools_is_granted_whole_or_not_at_all(database: Database, inventory: Inventory) -> None:
    first, second = await open_pool(database, inventory, 2), await open_pool(database, inventory, 1)
    assert (await claim(database, inventory, [(first, 1), (second, 2)])) == [None]
    assert await counters(database, inventory, first) == (2, 0, 0)
    assert (await claim(database, inventory, [(first, 1), (second, 1)]))[0] is not None


async def test_two_lines_on_one_pool_count_together(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 3)
    async with database.transaction() as tx:
        request = ClaimRequest(HoldId.new(), (Line(pool, 2), Line(pool, 2)), FIVE_MINUTES)
        claimed = await inventory.claim(tx, [request])
    assert claimed.refused[request.hold].free == 3


async def test_confirm_sells_once(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 1)
    hold = (await claim(database, inventory, [(pool, 1)]))[0]
    assert hold is not None
    assert await confirm(database, inventory, hold)
    assert not await confirm(database, inventory, hold)
    assert await counters(database, inventory, pool) == (0, 0, 1)


async def test_a_lapsed_hold_is_free_and_the_next_claim_takes_it(
    database: Database, inventory: Inventory, told: Told, move_time: MoveTime
) -> None:
    pool = await open_pool(database, inventory, 1)
    lapsed = (await claim(database, inventory, [(pool, 1)]))[0]
    move_time(FIVE_MINUTES)
    assert await counters(database, inventory, pool) == (1, 1, 0)
    assert lapsed is not None
    assert not await confirm(database, inventory, lapsed)
    assert (await claim(database, inventory, [(pool, 1)]))[0] is not None
    assert told.given_back_ids == [lapsed]


async def test_a_hold_over_two_pools_is_given_back_whole_by_a_claim_on_one(
    database: Database, inventory: Inventory, told: Told, move_time: MoveTime
) -> None:
    first, second = await open_pool(database, inventory, 1), await open_pool(database, inventory, 1)
    lapsed = (await claim(database, inventory, [(first, 1), (second, 1)]))[0]
    move_time(FIVE_MINUTES)
    assert (await claim(database, inventory, [(first, 1)]))[0] is not None
    assert told.given_back_ids == [lapsed]
    assert await counters(database, inventory, second) == (1, 0, 0)


async def test_the_worker_gives_lapsed_holds_back(database: Database, inventory: Inventory, told: Told, move_time: MoveTime) -> None:
    pool = await open_pool(database, inventory, 5)
    holds = await claim(database, inventory, [(pool, 2)], [(pool, 1)])
    async with database.transaction() as tx:
        assert await inventory.expire(tx, 10) == 0
    move_time(FIVE_MINUTES)
    async with database.transaction() as tx:
        assert await inventory.expire(tx, 10) == 2
    assert sorted(told.given_back_ids) == sorted(hold for hold in holds if hold)
    assert await counters(database, inventory, pool) == (5, 0, 0)


async def test_a_closed_pool_refuses_claims_and_confirmations(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 2)
    hold = (await claim(database, inventory, [(pool, 1)]))[0]
    async with database.transaction() as tx:
        await inventory.lock_pools(tx, [pool])
        await inventory.close(tx, [pool])
    assert hold is not None
    assert not await confirm(database, inventory, hold)
    request = ClaimRequest(HoldId.new(), (Line(pool, 1),), FIVE_MINUTES)
    async with database.transaction() as tx:
        refused = (await inventory.claim(tx, [request])).refused[request.hold]
    assert refused.closed


async def test_sold_units_come_back(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 2)
    hold = (await claim(database, inventory, [(pool, 2)]))[0]
    assert hold is not None
    assert await confirm(database, inventory, hold)
    async with database.transaction() as tx:
        await inventory.lock_pools(tx, await inventory.pools_of(tx, [hold]))
        await inventory.give_back(tx, [hold])
    assert await counters(database, inventory, pool) == (2, 0, 0)


async def test_a_deadline_moves_later_only_and_only_while_it_lives(database: Database, inventory: Inventory, move_time: MoveTime) -> None:
    pool = await open_pool(database, inventory, 1)
    hold = (await claim(database, inventory, [(pool, 1)]))[0]
    assert hold is not None
    async with database.transaction() as tx:
        before = (await inventory.lock_holds(tx, [hold]))[hold].expires_at
        earlier = await inventory.extend(tx, hold, before - timedelta(minutes=1))
        later = await inventory.extend(tx, hold, before + FIVE_MINUTES)
    assert earlier is not None
    assert later is not None
    assert (earlier.expires_at, later.expires_at) == (before, before + FIVE_MINUTES)
    move_time(2 * FIVE_MINUTES)
    async with database.transaction() as tx:
        assert await inventory.extend(tx, hold, before + 9 * FIVE_MINUTES) is None


async def test_a_refusal_says_when_something_may_free_up(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 1)
    hold = (await claim(database, inventory, [(pool, 1)]))[0]
    assert hold is not None
    request = ClaimRequest(HoldId.new(), (Line(pool, 1),), FIVE_MINUTES)
    async with database.transaction() as tx:
        refused = (await inventory.claim(tx, [request])).refused[request.hold]
        deadline = (await inventory.lock_holds(tx, [hold]))[hold].expires_at
    assert (refused.free, refused.may_free_up_at) == (0, deadline)


async def test_pools_are_locked_once_in_a_transaction(database: Database, inventory: Inventory) -> None:
    """The other way two transactions may wait for each other; locking the same ones again is harmless."""
    first, second = await open_pool(database, inventory, 1), await open_pool(database, inventory, 1)
    async with database.transaction() as tx:
        await inventory.lock_pools(tx, [first])
        await inventory.lock_pools(tx, [first])
        with pytest.raises(LockedTwice):
            await inventory.lock_pools(tx, [first, second])
