"""Requests of every shape on the one core: nights, slots, a category in a hall, numbered seats; and what changes while it sells."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from tests.inventory.test_claim import FIVE_MINUTES, MoveTime, Told, claim, confirm, counters, open_pool

from holdfast.database import Database
from holdfast.inventory import (
    CapacityInUse,
    ChangeRefused,
    ClaimRequest,
    HoldId,
    Inventory,
    Line,
    NewPool,
    PoolId,
    Shortage,
    best_adjacent,
)


@pytest.fixture
def inventory() -> Inventory:
    core = Inventory()
    core.owner = Told()
    return core


async def open_series(database: Database, inventory: Inventory, number: int, capacity: int, step: timedelta) -> list[PoolId]:
    """Pools of one owner, one after another in time: nights of a room type, slots of a doctor."""
    owner, start = uuid4(), datetime(2026, 12, 1, 9, tzinfo=UTC)
    pools = [NewPool(PoolId.new(), "test", owner, capacity, start + n * step, start + (n + 1) * step) for n in range(number)]
    async with database.transaction() as tx:
        await inventory.open_pools(tx, pools)
    return [pool.id for pool in pools]


async def sell(database: Database, inventory: Inventory, *lines: tuple[PoolId, int]) -> HoldId:
    hold = (await claim(database, inventory, lines))[0]
    assert hold is not None
    assert await confirm(database, inventory, hold)
    return hold


def wish(*choices: Sequence[tuple[PoolId, int]], hold: HoldId | None = None) -> ClaimRequest:
    first, *others = (tuple(Line(pool, quantity) for pool, quantity in choice) for choice in choices)
    return ClaimRequest(hold or HoldId.new(), first, FIVE_MINUTES, tuple(others))


async def change(database: Database, inventory: Inventory, hold: HoldId, *lines: tuple[PoolId, int]) -> None:
    async with database.transaction() as tx:
        await inventory.change(tx, wish(lines, hold=hold))


async def test_fourteen_nights_are_had_together_or_not_at_all(database: Database, inventory: Inventory) -> None:
    nights = await open_series(database, inventory, 14, 2, timedelta(days=1))
    await sell(database, inventory, (nights[6], 2))
    assert await claim(database, inventory, [(night, 1) for night in nights]) == [None]
    first, second = await claim(database, inventory, [(night, 1) for night in nights[:6]], [(night, 2) for night in nights[7:]])
    assert first is not None
    assert second is not None
    assert [(await counters(database, inventory, night))[0] for night in nights] == [1] * 6 + [0] * 8


async def test_an_appointment_takes_a_block_of_slots_of_a_person_and_of_a_room(database: Database, inventory: Inventory) -> None:
    doctor = await open_series(database, inventory, 4, 1, timedelta(minutes=15))
    room = await open_series(database, inventory, 4, 1, timedelta(minutes=15))
    both = [(slot, 1) for slot in (*doctor[:3], *room[:3])]
    other_room = await open_series(database, inventory, 4, 1, timedelta(minutes=15))
    with_other_room = [(slot, 1) for slot in (*doctor[1:], *other_room[1:])]
    holds = await claim(database, inventory, both, with_other_room, [(doctor[3], 1), (room[3], 1)])
    assert [hold is not None for hold in holds] == [True, False, True]


async def test_a_ticket_draws_on_its_category_and_on_the_hall(database: Database, inventory: Inventory) -> None:
    hall, stalls, balcony = [await open_pool(database, inventory, capacity) for capacity in (5, 4, 4)]
    holds = await claim(
        database, inventory, [(stalls, 4), (hall, 4)], [(stalls, 1), (hall, 1)], [(balcony, 2), (hall, 2)], [(balcony, 1), (hall, 1)]
    )
    assert [hold is not None for hold in holds] == [True, False, False, True]
    assert await counters(database, inventory, hall) == (0, 5, 0)


async def test_of_several_choices_the_first_that_fits_is_taken(database: Database, inventory: Inventory) -> None:
    seats = [await open_pool(database, inventory, 1) for _ in range(4)]
    pairs = [[(seats[n], 1), (seats[n + 1], 1)] for n in range(3)]
    requests = [wish(*pairs), wish(*pairs), wish(*pairs)]
    async with database.transaction() as tx:
        claimed = await inventory.claim(tx, requests)
    assert [claimed.lines.get(request.hold) for request in requests] == [
        (Line(seats[0], 1), Line(seats[1], 1)), (Line(seats[2], 1), Line(seats[3], 1)), None,
    ]  # fmt: skip
    assert claimed.refused[requests[2].hold] == Shortage(
        seats[0], free=0, closed=False, may_free_up_at=claimed.granted[requests[0].hold].expires_at
    )


async def test_a_refusal_of_several_choices_says_what_all_of_them_have_left(database: Database, inventory: Inventory) -> None:
    seats = [await open_pool(database, inventory, 1) for _ in range(4)]
    await sell(database, inventory, (seats[1], 1))
    async with database.transaction() as tx:
        await inventory.lock_pools(tx, seats)
        await inventory.close(tx, [seats[3]])
    request = wish([(seats[0], 1), (seats[1], 1)], [(seats[1], 1), (seats[2], 1)], [(seats[2], 1), (seats[3], 1)])
    async with database.transaction() as tx:
        shortage = (await inventory.claim(tx, [request])).refused[request.hold]
    assert (shortage.free, shortage.closed) == (2, False)
    request = wish([(seats[3], 1)], [(PoolId.new(), 1)])
    async with database.transaction() as tx:
        assert (await inventory.claim(tx, [request])).refused[request.hold].closed


async def test_a_crowd_gets_the_best_seats_beside_each_other(database: Database, inventory: Inventory) -> None:
    """Everybody read the same seats as free; each gets two that nobody else has."""
    rows = [[await open_pool(database, inventory, 1) for _ in range(8)] for _ in range(2)]
    seats = [seat for row in rows for seat in row]
    requests = [ClaimRequest(HoldId.new(), *_first_and_others(best_adjacent(rows, seats, 2))) for _ in range(12)]

    async def some(part: Sequence[ClaimRequest]) -> list[tuple[Line, ...]]:
        async with database.transaction() as tx:
            return list((await inventory.claim(tx, part)).lines.values())

    granted = [lines for part in await asyncio.gather(*(some(requests[n::3]) for n in range(3))) for lines in part]
    taken = [line.pool for lines in granted for line in lines]
    assert len(set(taken)) == len(taken)
    # Pairs in a row of 8 may leave two single seats apart, and those are nobody's.
    assert len(granted) >= 6
    assert set(rows[0][3:5]) <= set(taken)


def _first_and_others(choices: Sequence[tuple[Line, ...]]) -> tuple[tuple[Line, ...], timedelta, tuple[tuple[Line, ...], ...]]:
    return choices[0], FIVE_MINUTES, tuple(choices[1:])


def _places(rows: Sequence[Sequence[PoolId]], lines: Sequence[Line]) -> list[tuple[int, int]]:
    return [(n, list(row).index(line.pool)) for line in lines for n, row in enumerate(rows) if line.pool in row]


def test_best_is_the_middle_of_the_front() -> None:
    rows = [[PoolId.new() for _ in range(6)] for _ in range(3)]
    seats = [seat for row in rows for seat in row]
    choices = best_adjacent(rows, seats, 2)
    assert _places(rows, choices[0]) == [(0, 2), (0, 3)]
    assert _places(rows, choices[1]) == [(1, 2), (1, 3)]
    # With the front taken, what leaves nobody sitting alone comes first.
    left = set(seats) - {rows[0][2], rows[0][3]}
    assert _places(rows, best_adjacent(rows, left, 2)[0]) == [(1, 2), (1, 3)]


def test_a_choice_that_leaves_a_single_seat_comes_last() -> None:
    row = [PoolId.new() for _ in range(5)]
    choices = [_places([row], lines)[0][1] for lines in best_adjacent([row], row, 2)]
    assert choices == [0, 3, 1, 2]


def test_where_nowhere_so_many_are_together_there_is_no_choice() -> None:
    row = [PoolId.new() for _ in range(4)]
    assert best_adjacent([row], [row[0], row[2], row[3]], 3) == []
    assert best_adjacent([row[:2], row[2:]], row, 3) == []
    assert best_adjacent([row], row, 5) == []


async def test_a_change_takes_the_new_and_gives_the_old_back(database: Database, inventory: Inventory) -> None:
    monday, tuesday = await open_pool(database, inventory, 2), await open_pool(database, inventory, 2)
    hold = await sell(database, inventory, (monday, 2))
    async with database.transaction() as tx:
        changed = await inventory.change(tx, wish([(tuesday, 1)], hold=hold))
        assert changed.pools == await inventory.lock_pools(tx, [monday, tuesday])
    assert changed.lines == (Line(tuesday, 1),)
    assert await counters(database, inventory, monday) == (2, 0, 0)
    assert await counters(database, inventory, tuesday) == (1, 0, 1)


async def test_a_change_may_use_what_it_gives_back(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 3)
    hold = await sell(database, inventory, (pool, 2))
    await change(database, inventory, hold, (pool, 3))
    assert await counters(database, inventory, pool) == (0, 0, 3)
    await change(database, inventory, hold, (pool, 1))
    assert await counters(database, inventory, pool) == (2, 0, 1)


async def test_a_change_that_is_refused_loses_nothing(database: Database, inventory: Inventory) -> None:
    monday, tuesday = await open_pool(database, inventory, 2), await open_pool(database, inventory, 2)
    hold = await sell(database, inventory, (monday, 2))
    await sell(database, inventory, (tuesday, 1))
    with pytest.raises(ChangeRefused) as refused:
        await change(database, inventory, hold, (tuesday, 2))
    assert refused.value.shortage == Shortage(tuesday, free=1, closed=False)
    assert await counters(database, inventory, monday) == (0, 0, 2)
    assert await counters(database, inventory, tuesday) == (1, 0, 1)


async def test_changes_crosswise_wait_for_each_other_and_not_in_a_circle(database: Database, inventory: Inventory) -> None:
    monday, tuesday = await open_pool(database, inventory, 40), await open_pool(database, inventory, 40)
    to_tuesday = [await sell(database, inventory, (monday, 1)) for _ in range(10)]
    to_monday = [await sell(database, inventory, (tuesday, 1)) for _ in range(10)]
    await asyncio.gather(
        *(change(database, inventory, hold, (tuesday, 1)) for hold in to_tuesday),
        *(change(database, inventory, hold, (monday, 1)) for hold in to_monday),
    )
    assert await counters(database, inventory, monday) == await counters(database, inventory, tuesday) == (30, 0, 10)


async def test_a_change_takes_over_from_a_lapsed_hold(database: Database, inventory: Inventory, move_time: MoveTime) -> None:
    monday, tuesday = await open_pool(database, inventory, 1), await open_pool(database, inventory, 1)
    hold = await sell(database, inventory, (monday, 1))
    await claim(database, inventory, [(tuesday, 1)])
    with pytest.raises(ChangeRefused):
        await change(database, inventory, hold, (tuesday, 1))
    move_time(FIVE_MINUTES)
    await change(database, inventory, hold, (tuesday, 1))
    assert await counters(database, inventory, tuesday) == (0, 0, 1)


async def test_capacity_changes_while_it_sells(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 2)
    await claim(database, inventory, [(pool, 1)])
    await sell(database, inventory, (pool, 1))
    async with database.transaction() as tx:
        resized = await inventory.resize(tx, pool, 4)
        assert resized == (await inventory.lock_pools(tx, [pool]))[pool]
    assert await counters(database, inventory, pool) == (2, 1, 1)
    with pytest.raises(CapacityInUse) as refused:
        async with database.transaction() as tx:
            await inventory.resize(tx, pool, 1)
    assert refused.value.used == 2
    async with database.transaction() as tx:
        await inventory.resize(tx, pool, 2)
    assert await claim(database, inventory, [(pool, 1)]) == [None]
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await inventory.resize(tx, PoolId.new(), 1)


async def test_lapsed_holds_do_not_keep_a_pool_large(database: Database, inventory: Inventory, move_time: MoveTime) -> None:
    pool = await open_pool(database, inventory, 3)
    await claim(database, inventory, [(pool, 3)])
    move_time(FIVE_MINUTES)
    async with database.transaction() as tx:
        await inventory.resize(tx, pool, 0)
    assert await counters(database, inventory, pool) == (0, 0, 0)


async def test_a_pool_that_opens_again_sells_again(database: Database, inventory: Inventory) -> None:
    pool = await open_pool(database, inventory, 1)
    hold = (await claim(database, inventory, [(pool, 1)]))[0]
    assert hold is not None
    async with database.transaction() as tx:
        before = (await inventory.lock_pools(tx, [pool]))[pool].version
        await inventory.close(tx, [pool])
    assert not await confirm(database, inventory, hold)
    async with database.transaction() as tx:
        await inventory.lock_pools(tx, [pool])
        await inventory.reopen(tx, [pool])
        await inventory.reopen(tx, [pool])
        assert (await inventory.lock_pools(tx, [pool]))[pool].version == before + 2
    assert await confirm(database, inventory, hold)
