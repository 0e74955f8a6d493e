"""Each move of the core changes the rows that it names, and no other: everything is compared, down to the versions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text
from tests.inventory.core import FIVE_MINUTES, STARTS, Core, Seen, without_indexes

from holdfast.database import Tx
from holdfast.inventory import (
    CapacityInUse,
    ChangeRefused,
    ClaimRequest,
    HoldId,
    Inventory,
    Line,
    NewPool,
    Pool,
    PoolId,
    Shortage,
    repository,
)
from holdfast.inventory.models import MovedLine
from holdfast.inventory.service import NobodyOwnsHolds

MoveTime = Callable[[timedelta], None]
ONE_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Town:
    """Three pools of twenty, two live holds, a lapsed one and two sales, which share pools crosswise."""

    first: PoolId
    second: PoolId
    third: PoolId
    one: HoldId
    two: HoldId
    lapsed: HoldId
    sale: HoldId
    other_sale: HoldId
    before: Seen


@pytest.fixture
async def town(core: Core, move_time: MoveTime) -> Town:
    first, second, third = await core.open(20, 20, 20)
    sale = await core.sell({first: 1, second: 5})
    other_sale = await core.sell({second: 1})
    one = await core.hold({second: 1, first: 2})
    two = await core.hold({first: 4})
    lapsed = await core.hold({first: 1, third: 3}, lifetime=ONE_MINUTE)
    move_time(ONE_MINUTE)
    return Town(first, second, third, one, two, lapsed, sale, other_sale, await core.see())


async def test_the_town_is_as_it_was_told(core: Core, town: Town) -> None:
    """Each claim and each sale is one version of each pool that it touched."""
    assert town.before.pools == {town.first: (7, 1, 6, False), town.second: (1, 6, 6, False), town.third: (3, 0, 2, False)}
    assert set(town.before.holds) == {town.one, town.two, town.lapsed}
    assert town.before.held == {
        (town.one, town.first): 2,
        (town.one, town.second): 1,
        (town.two, town.first): 4,
        (town.lapsed, town.first): 1,
        (town.lapsed, town.third): 3,
    }
    assert town.before.sold == {(town.sale, town.first): 1, (town.sale, town.second): 5, (town.other_sale, town.second): 1}


async def test_confirming_sells_the_lines_of_one_hold(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.lock(tx, town.one, town.two, town.lapsed)
        sold = await core.inventory.confirm(tx, [town.one, town.lapsed])
    assert set(sold) == {town.one}
    assert sorted(sold[town.one], key=lambda line: line.pool_id) == [
        MovedLine(town.one, town.first, 2),
        MovedLine(town.one, town.second, 1),
    ]
    assert await core.see() == Seen(
        {town.first: (5, 3, 7, False), town.second: (0, 7, 7, False), town.third: (3, 0, 2, False)},
        {hold: at for hold, at in town.before.holds.items() if hold != town.one},
        {line: quantity for line, quantity in town.before.held.items() if line[0] != town.one},
        {**town.before.sold, (town.one, town.first): 2, (town.one, town.second): 1},
    )


async def test_confirming_several_counts_all_of_their_lines(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.lock(tx, town.one, town.two)
        assert set(await core.inventory.confirm(tx, [town.one, town.two])) == {town.one, town.two}
    assert (await core.see()).pools[town.first] == (1, 7, 7, False)


async def test_a_hold_on_a_closed_pool_is_not_sold_and_its_neighbour_is(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.lock(tx, town.one, town.two)
        await core.inventory.close(tx, [town.second])
        assert await core.inventory.closed(tx, [town.one, town.two]) == {town.one: town.second}
        assert await core.inventory.closed(tx, [town.two]) == {}
        assert set(await core.inventory.confirm(tx, [town.one, town.two])) == {town.two}
    assert (await core.see()).pools == {
        town.first: (3, 5, 7, False),
        town.second: (1, 6, 7, True),
        town.third: town.before.pools[town.third],
    }


async def test_releasing_gives_back_the_lines_of_these_holds(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.lock(tx, town.one, town.two)
        released = await core.inventory.release(tx, [town.one, town.two])
    assert sorted(released, key=lambda line: line.quantity) == [
        MovedLine(town.one, town.second, 1),
        MovedLine(town.one, town.first, 2),
        MovedLine(town.two, town.first, 4),
    ]
    assert await core.see() == Seen(
        {town.first: (1, 1, 7, False), town.second: (0, 6, 7, False), town.third: town.before.pools[town.third]},
        {town.lapsed: town.before.holds[town.lapsed]},
        {line: quantity for line, quantity in town.before.held.items() if line[0] == town.lapsed},
        town.before.sold,
    )


async def test_what_was_sold_comes_back_of_these_sales_only(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.lock(tx, town.sale)
        returned = await core.inventory.give_back(tx, [town.sale])
    assert sorted(returned, key=lambda line: line.quantity) == [
        MovedLine(town.sale, town.first, 1),
        MovedLine(town.sale, town.second, 5),
    ]
    assert await core.see() == replace(
        town.before,
        pools={**town.before.pools, town.first: (7, 0, 7, False), town.second: (1, 1, 7, False)},
        sold={(town.other_sale, town.second): 1},
    )


async def test_a_claim_gives_back_what_lapsed_on_its_pools_and_says_how_they_stand(core: Core, town: Town) -> None:
    (hold,), claim = await core.try_claim({town.third: 20})
    assert core.told.given_back_ids == [town.lapsed]
    seen = await core.see()
    assert seen.pools == {town.first: (6, 1, 7, False), town.second: town.before.pools[town.second], town.third: (20, 0, 4, False)}
    assert set(seen.holds) == {town.one, town.two, hold}
    assert seen.held[hold, town.third] == 20
    assert {line for line in seen.held if line[0] == town.lapsed} == set()
    # What the claim answers, and what the owner was told, is how the rows now are.
    for pools in (claim.pools, core.told.pools):
        assert {pool.id: (pool.held, pool.sold, pool.version, pool.closed_at is not None) for pool in pools.values()} == {
            town.first: seen.pools[town.first],
            town.third: seen.pools[town.third],
        }
    assert claim.granted[hold].live
    assert claim.granted[hold].expires_at == seen.holds[hold]


async def test_a_claim_leaves_alone_what_lapsed_elsewhere(core: Core, town: Town) -> None:
    await core.hold({town.second: 1})
    assert core.told.given_back_ids == []
    assert town.lapsed in (await core.see()).holds


async def test_a_claim_under_the_id_of_a_lapsed_hold_gives_that_back_first(core: Core, town: Town) -> None:
    """Late money claims anew under the id of its booking, whatever pool it wants now."""
    async with core.database.transaction() as tx:
        await core.inventory.lock_holds(tx, [town.lapsed])
        again = ClaimRequest(town.lapsed, (Line(town.second, 1),), FIVE_MINUTES)
        claim = await core.inventory.claim(tx, [again], anew=[town.lapsed])
    assert set(claim.granted) == {town.lapsed}
    assert core.told.given_back_ids == [town.lapsed]
    seen = await core.see()
    assert {line: quantity for line, quantity in seen.held.items() if line[0] == town.lapsed} == {(town.lapsed, town.second): 1}
    assert seen.pools[town.third] == (0, 0, 3, False)


async def test_two_wishes_on_one_pool_are_one_version_of_it(core: Core, town: Town) -> None:
    wishes, claim = await core.try_claim({town.second: 1}, {town.second: 2})
    assert set(claim.granted) == set(wishes)
    assert (await core.see()).pools[town.second] == (4, 6, 7, False)
    assert (claim.pools[town.second].held, claim.pools[town.second].version) == (4, 7)


async def test_a_claim_that_grants_nothing_writes_nothing(core: Core, town: Town) -> None:
    (refused,), claim = await core.try_claim({town.second: 14})
    deadline = town.before.holds[town.one]
    assert (claim.granted, claim.refused) == ({}, {refused: Shortage(town.second, 13, closed=False, may_free_up_at=deadline)})
    assert claim.pools[town.second] == await pool_now(core, town.second)
    assert await core.see() == town.before


async def test_a_refusal_names_the_earliest_deadline_on_its_own_pool(core: Core, town: Town) -> None:
    sooner = await core.hold({town.first: 1}, lifetime=ONE_MINUTE)
    wishes, claim = await core.try_claim({town.first: 20}, {town.second: 20}, {town.third: 21})
    holds = (await core.see()).holds
    assert [claim.refused[wish].may_free_up_at for wish in wishes] == [holds[sooner], holds[town.one], None]


async def test_a_closed_pool_promises_no_time_at_which_it_may_free_up(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.inventory.lock_pools(tx, [town.first, town.second])
        await core.inventory.close(tx, [town.second])
    wishes, claim = await core.try_claim({town.first: 20}, {town.second: 1})
    assert claim.refused[wishes[1]] == Shortage(town.second, 0, closed=True, may_free_up_at=None)
    assert claim.refused[wishes[0]].may_free_up_at is not None
    assert (await core.see()).pools[town.first][3] is False


async def test_a_claim_gives_back_no_more_than_is_in_its_way(core: Core, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker does the rest, from the other end."""
    monkeypatch.setattr(repository, "SPARE", 0)
    crowded, quiet = await core.open(9, 9)
    lapsed, _ = await core.try_claim(*({crowded: 1} for _ in range(5)), lifetime=timedelta(microseconds=1))
    # Those that live do not count.
    for _ in range(3):
        await core.hold({quiet: 1})
    late = await core.hold({quiet: 1}, lifetime=timedelta(microseconds=1))
    core.told.given_back_ids.clear()
    async with core.database.transaction() as tx:
        assert await repository.lock_lapsed(tx, {quiet: 2}) == [late]
        newest = await latest(tx, crowded, 2)
        assert await repository.lock_lapsed(tx, {crowded: 2}) == sorted(newest)
        assert set(await repository.lock_lapsed(tx, {crowded: 1, quiet: 1})) == {newest[0], late}
    # There is room for four.
    await core.hold({crowded: 4})
    assert core.told.given_back_ids == []
    await core.hold({crowded: 2})
    assert sorted(core.told.given_back_ids) == sorted(newest)
    await core.hold({crowded: 3})
    assert sorted(core.told.given_back_ids) == sorted(lapsed)


async def test_a_claim_waits_for_nobody_but_its_own_pools(core: Core, town: Town, owner_url: str) -> None:
    """A lapsed hold in the way that has another pool too, which somebody has, stays; the claim is refused and not kept waiting."""
    async with await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await somebody.execute("SELECT FROM pools WHERE id = %s FOR UPDATE", (town.first,))
        (refused,), claim = await core.try_claim({town.third: 20})
        assert claim.refused[refused].free == 17
        assert await core.see() == town.before
        await somebody.rollback()
    assert await core.hold({town.third: 20})
    assert core.told.given_back_ids == [town.lapsed]


async def test_lapsed_holds_that_somebody_has_hide_no_others_and_are_not_taken_for_sold_out(core: Core, town: Town, owner_url: str) -> None:
    (crowded,) = await core.open(3)
    (first, second, last), _ = await core.try_claim(*({crowded: 1} for _ in range(3)), lifetime=timedelta(microseconds=1))
    async with await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await somebody.execute("SELECT FROM holds WHERE id = %s FOR UPDATE", (last,))
        core.told.given_back_ids.clear()
        await core.hold({crowded: 1})
        assert sorted(core.told.given_back_ids) == sorted([first, second])
        await core.hold({crowded: 1})
        (refused,), claim = await core.try_claim({crowded: 1})
        assert (claim.refused[refused].free, claim.refused[refused].momentary) == (0, True)
        await somebody.rollback()
    await core.hold({crowded: 1})
    (refused,), claim = await core.try_claim({crowded: 1})
    assert not claim.refused[refused].momentary


async def test_the_worker_takes_no_hold_of_a_pool_that_somebody_has(core: Core, town: Town, owner_url: str) -> None:
    """Whoever has the pool then finds its lapsed holds to be had."""
    async with await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await somebody.execute("SELECT FROM pools WHERE id = ANY(%s) FOR UPDATE", ([town.first, town.third],))
        async with core.database.transaction() as tx:
            assert await repository.lock_some_lapsed(tx, 9) == []
        await somebody.rollback()
    async with core.database.transaction() as tx:
        assert await repository.lock_some_lapsed(tx, 9) == [town.lapsed]


async def test_the_worker_locks_no_more_pools_than_it_needs(core: Core, town: Town, owner_url: str) -> None:
    pools = sorted(await core.open(9, 9, 9))
    await core.try_claim(*({pool: 1} for pool in pools for _ in range(3)), lifetime=timedelta(microseconds=1))
    async with core.database.transaction() as tx, await psycopg.AsyncConnection.connect(owner_url) as somebody:
        await core.inventory.expire(tx, 5)
        found = await somebody.execute("SELECT id FROM pools WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED", (pools,))
        assert len(await found.fetchall()) >= 2


async def latest(tx: Tx, pool: PoolId, count: int) -> list[HoldId]:
    """The last to lapse of the holds on a pool."""
    ask = "SELECT hold_id FROM hold_lines WHERE pool_id = :pool ORDER BY expires_at DESC, hold_id DESC LIMIT :count"
    return [HoldId.of(row["hold_id"]) for row in await tx.rows(text(ask), pool=pool, count=count)]


async def test_the_worker_gives_back_the_longest_lapsed_first_and_so_many_at_most(core: Core, town: Town, move_time: MoveTime) -> None:
    move_time(2 * FIVE_MINUTES)
    for expected in (town.lapsed, town.one, town.two):
        core.told.given_back_ids.clear()
        async with core.database.transaction() as tx:
            await without_indexes(tx)
            assert await core.inventory.expire(tx, 1) == 1
        assert core.told.given_back_ids == [expected]
    async with core.database.transaction() as tx:
        assert await core.inventory.expire(tx, 1) == 0
    assert await core.see() == Seen(
        {town.first: (0, 1, 9, False), town.second: (0, 6, 7, False), town.third: (0, 0, 3, False)}, {}, {}, town.before.sold
    )


async def test_the_worker_says_how_the_pools_stand_after_it(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        assert await core.inventory.expire(tx, 10) == 1
    assert core.told.pools == {pool: await pool_now(core, pool) for pool in (town.first, town.third)}
    assert set((await core.see()).holds) == {town.one, town.two}


async def test_what_is_promised_to_be_in_order_is_so_without_the_help_of_an_index(core: Core, town: Town) -> None:
    """On small tables the planner takes what comes first, and on large ones an index, which happens to be in order."""
    async with core.database.transaction() as tx:
        await without_indexes(tx)
        both = sorted([town.one, town.two])
        lines = await repository.lines_of_holds(tx, [town.two, town.one])
        assert [(line.hold_id, line.pool_id) for line in lines] == sorted((line.hold_id, line.pool_id) for line in lines)
        assert {line.hold_id for line in lines} == set(both)
        assert await repository.lock_some_lapsed(tx, 1) == [town.lapsed]
        assert sorted(await repository.pools_of_holds(tx, both)) == [town.first, town.second]
        assert sorted(await repository.pools_of_sales(tx, [town.sale, town.other_sale])) == [town.first, town.second]


async def test_extending_moves_one_deadline(core: Core, town: Town) -> None:
    until = town.before.holds[town.one] + FIVE_MINUTES
    async with core.database.transaction() as tx:
        await core.lock(tx, town.one, town.two)
        extended = await core.inventory.extend(tx, town.one, until)
    assert extended is not None
    assert (extended.id, extended.expires_at, extended.live) == (town.one, until, True)
    assert await core.see() == replace(town.before, holds={**town.before.holds, town.one: until})
    assert await core.deadlines_of_lines() == {
        town.one: {until},
        town.two: {town.before.holds[town.two]},
        town.lapsed: {town.before.holds[town.lapsed]},
    }


async def test_closing_closes_the_pools_that_it_names(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.inventory.lock_pools(tx, [town.first, town.second, town.third])
        await core.inventory.close(tx, [town.first, town.third])
    pools = {pool: (*now[:2], now[2] + 1, True) for pool, now in town.before.pools.items() if pool != town.second}
    assert await core.see() == replace(town.before, pools={**town.before.pools, **pools})


async def test_questions_are_answered_about_what_was_asked(core: Core, town: Town) -> None:
    core_ = core.inventory
    async with core.database.transaction() as tx:
        assert set(await core_.lock_holds(tx, [town.one, HoldId.new()])) == {town.one}
        assert await core_.lines_of(tx, [town.one, town.two]) == {
            town.one: [MovedLine(town.one, town.first, 2), MovedLine(town.one, town.second, 1)],
            town.two: [MovedLine(town.two, town.first, 4)],
        }
        assert await core_.pools_of(tx, [town.one]) == [town.first, town.second]
        assert await core_.pools_of(tx, [town.other_sale]) == [town.second]
        assert await core_.pools_of(tx, [town.two, town.other_sale]) == [town.first, town.second]
        assert await core_.closed(tx, [town.one, town.two]) == {}
        assert {
            pool: (free.capacity, free.free, free.sold, free.version, free.closed)
            for pool, free in (await core_.free(tx, [town.first, town.third])).items()
        } == {town.first: (20, 13, 1, 6, False), town.third: (20, 20, 0, 2, False)}
        assert set(await core_.lock_pools(tx, [town.second])) == {town.second}


async def test_holds_on_pools_are_found_once_by_id_and_so_many_at_most(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        on_first = await core.inventory.holds_on(tx, [town.first], 9)
        on_two = await core.inventory.holds_on(tx, [town.second, town.third], 9)
        some = await core.inventory.holds_on(tx, [town.first, town.second, town.third], 2)
        same = await core.inventory.holds_on(tx, [town.first, town.second], 9)
    assert on_first == sorted([town.one, town.two, town.lapsed])
    assert on_two == sorted([town.one, town.lapsed])
    assert same == on_first
    assert some == on_first[:2]


async def test_asking_about_nothing_asks_nobody(core: Core) -> None:
    inventory = core.inventory
    async with core.database.transaction() as tx:
        assert await inventory.lock_holds(tx, []) == {}
        assert await inventory.lock_pools(tx, []) == {}
        assert not inventory.has_locked_pools(tx)
        assert await inventory.pools_of(tx, []) == []
        assert await inventory.lines_of(tx, []) == {}
        assert await inventory.closed(tx, []) == {}
        assert await inventory.confirm(tx, []) == {}
        assert await inventory.release(tx, []) == []
        assert await inventory.give_back(tx, []) == []
        assert await inventory.free(tx, []) == {}
        assert await inventory.seconds_until_next_deadline(tx) is None


async def test_a_transaction_knows_whether_it_has_locked_its_pools(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.inventory.lock_pools(tx, [town.first])
        assert core.inventory.has_locked_pools(tx)
        with pytest.raises(repository.LockedTwice) as refused:
            await core.inventory.claim(tx, [ClaimRequest(HoldId.new(), (Line(town.second, 1),), FIVE_MINUTES)])
    assert str(town.second) in str(refused.value)
    assert str(town.first) not in str(refused.value)


async def test_a_pool_is_opened_as_it_was_ordered(core: Core) -> None:
    wanted = [NewPool(PoolId.new(), "night", uuid4(), n, STARTS + n * ONE_MINUTE, STARTS + FIVE_MINUTES) for n in (1, 2)]
    async with core.database.transaction() as tx:
        await core.inventory.open_pools(tx, wanted)
        rows = await tx.rows(text("SELECT id, starts_at, ends_at FROM pools ORDER BY capacity"))
        pools = await core.inventory.lock_pools(tx, [each.id for each in wanted])
    assert pools == {each.id: Pool(each.id, "night", each.owner_id, each.capacity, 0, 0, 1, None) for each in wanted}
    assert [tuple(row.values()) for row in rows] == [(each.id, each.starts_at, each.ends_at) for each in wanted]


async def test_lapsed_holds_that_nobody_owns_are_a_mistake_of_ours(core: Core, town: Town) -> None:
    core.inventory.owner = Inventory().owner
    assert isinstance(core.inventory.owner, NobodyOwnsHolds)
    with pytest.raises(AssertionError, match="1 lapsed"):
        await core.hold({town.third: 20})
    assert await core.see() == town.before


async def pool_now(core: Core, pool: PoolId) -> Pool:
    async with core.database.transaction() as tx:
        return (await core.inventory.lock_pools(tx, [pool]))[pool]


async def test_what_was_sold_is_swapped_for_something_else_in_one_move(core: Core, town: Town) -> None:
    """The old lines overlap with the new ones, and what lapsed on the way is given back as well."""
    async with core.database.transaction() as tx:
        change = await core.inventory.change(tx, ClaimRequest(town.sale, (Line(town.second, 2), Line(town.third, 20)), FIVE_MINUTES))
    assert {(line.pool, line.quantity) for line in change.lines} == {(town.second, 2), (town.third, 20)}
    seen = await core.see()
    assert {line: quantity for line, quantity in seen.sold.items() if line[0] == town.sale} == {
        (town.sale, town.second): 2,
        (town.sale, town.third): 20,
    }
    assert seen.sold[town.other_sale, town.second] == 1
    assert {pool: now[:2] for pool, now in seen.pools.items()} == {town.first: (6, 0), town.second: (1, 3), town.third: (0, 20)}
    assert {pool.id: (pool.held, pool.sold, pool.version, False) for pool in change.pools.values()} == seen.pools
    assert core.told.given_back_ids == [town.lapsed]


async def test_a_change_that_cannot_be_had_leaves_everything_as_it_was(core: Core, town: Town) -> None:
    async def try_it() -> None:
        async with core.database.transaction() as tx:
            await core.inventory.change(tx, ClaimRequest(town.sale, (Line(town.second, 19),), FIVE_MINUTES))

    with pytest.raises(ChangeRefused) as refused:
        await try_it()
    # Its own five count as free for it.
    assert refused.value.shortage.free == 18
    assert await core.see() == town.before


async def test_a_pool_grows_and_shrinks_as_far_as_nothing_is_in_use(core: Core, town: Town) -> None:
    async def resize(pool: PoolId, capacity: int) -> Pool:
        async with core.database.transaction() as tx:
            return await core.inventory.resize(tx, pool, capacity)

    with pytest.raises(CapacityInUse) as refused:
        await resize(town.second, 6)
    assert (refused.value.pool, refused.value.used) == (town.second, 7)
    assert await core.see() == town.before
    assert await resize(town.second, 7) == await pool_now(core, town.second)
    # What lapsed counts as free.
    assert await resize(town.third, 1) == await pool_now(core, town.third)
    async with core.database.reading() as tx:
        rows = await tx.rows(text("SELECT id, capacity FROM pools"))
    assert {row["id"]: row["capacity"] for row in rows} == {town.first: 20, town.second: 7, town.third: 1}
    seen = await core.see()
    assert (seen.pools[town.second], seen.pools[town.third]) == ((1, 6, 7, False), (0, 0, 4, False))
    with pytest.raises(LookupError):
        await resize(PoolId.new(), 5)


async def test_reopening_opens_the_pools_that_it_names_and_were_closed(core: Core, town: Town) -> None:
    async with core.database.transaction() as tx:
        await core.inventory.lock_pools(tx, [town.first, town.second, town.third])
        await core.inventory.close(tx, [town.first, town.second])
        await core.inventory.reopen(tx, [town.first, town.third])
    before = town.before.pools
    assert await core.see() == replace(
        town.before,
        pools={
            **before,
            town.first: (*before[town.first][:2], before[town.first][2] + 2, False),
            town.second: (*before[town.second][:2], before[town.second][2] + 1, True),
        },
    )


async def test_the_first_choice_that_fits_is_taken(core: Core, town: Town) -> None:
    wishes = [
        ClaimRequest(
            HoldId.new(), (Line(town.second, 14),), FIVE_MINUTES, ((Line(town.first, 14), Line(town.third, 1)), (Line(town.third, 2),))
        ),
        ClaimRequest(HoldId.new(), (Line(town.third, 3),), FIVE_MINUTES, ((Line(town.first, 1),),)),
        ClaimRequest(HoldId.new(), (Line(town.second, 14),), FIVE_MINUTES, ((Line(town.first, 14),),)),
    ]
    async with core.database.transaction() as tx:
        claim = await core.inventory.claim(tx, wishes)
    assert claim.lines == {wishes[0].hold: (Line(town.third, 2),), wishes[1].hold: (Line(town.third, 3),)}
    # Refused with what all of its choices have left together.
    assert (claim.refused[wishes[2].hold].pool, claim.refused[wishes[2].hold].free) == (town.second, 13 + 13)
    assert (await core.see()).held[wishes[0].hold, town.third] == 2


async def test_all_lapsed_holds_of_a_pool_count_as_free_and_the_next_deadline_is_the_earliest(core: Core, town: Town) -> None:
    (pool,) = await core.open(9)
    await core.try_claim({pool: 2}, {pool: 3}, lifetime=timedelta(microseconds=1))
    async with core.database.transaction() as tx:
        assert (await core.inventory.free(tx, [pool]))[pool].free == 9
        seconds = await core.inventory.seconds_until_next_deadline(tx)
        assert seconds is not None
        # That of the town's lapsed hold; the others live for minutes.
        assert seconds <= 0
