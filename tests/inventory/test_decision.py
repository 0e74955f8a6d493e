"""Who gets what, without a database: the rules of a claim, and the same rules once more in plain words for any set of wishes."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from holdfast.inventory import ClaimRequest, HoldId, Line, Pool, PoolId, Shortage
from holdfast.inventory.decision import decide

FIRST, SECOND, UNKNOWN = (PoolId(int=number) for number in (1, 2, 3))
LIFETIME = timedelta(minutes=5)


def pool(pool_id: PoolId, capacity: int, *, held: int = 0, sold: int = 0, closed: bool = False) -> Pool:
    closed_at = datetime(2026, 11, 21, tzinfo=UTC) if closed else None
    return Pool(pool_id, "test", UUID(int=9), capacity, held, sold, 1, closed_at)


def wish(number: int, *lines: tuple[PoolId, int]) -> ClaimRequest:
    return ClaimRequest(HoldId(int=number), tuple(Line(pool_id, quantity) for pool_id, quantity in lines), LIFETIME)


def asked(requests: Sequence[ClaimRequest], *pools: Pool) -> tuple[list[int], dict[int, Shortage]]:
    granted, refused = decide(requests, {each.id: each for each in pools})
    return [request.hold.int for request in granted], {hold.int: shortage for hold, shortage in refused.items()}


def test_what_others_hold_and_have_bought_is_not_free() -> None:
    assert asked([wish(1, (FIRST, 3))], pool(FIRST, 6, held=1, sold=2)) == ([1], {})
    assert asked([wish(1, (FIRST, 4))], pool(FIRST, 6, held=1, sold=2)) == ([], {1: Shortage(FIRST, free=3, closed=False)})


def test_a_refused_wish_takes_nothing_and_those_behind_it_are_still_asked() -> None:
    wishes = [wish(1, (FIRST, 2)), wish(2, (FIRST, 2)), wish(3, (FIRST, 1)), wish(4, (FIRST, 1))]
    assert asked(wishes, pool(FIRST, 3)) == (
        [1, 3],
        {2: Shortage(FIRST, free=1, closed=False), 4: Shortage(FIRST, free=0, closed=False)},
    )


def test_all_lines_or_none_and_the_pool_that_fell_short_is_named() -> None:
    wishes = [wish(1, (FIRST, 1), (SECOND, 2)), wish(2, (FIRST, 1))]
    assert asked(wishes, pool(FIRST, 1), pool(SECOND, 1)) == ([2], {1: Shortage(SECOND, free=1, closed=False)})


def test_two_lines_on_one_pool_are_one_wish() -> None:
    assert asked([wish(1, (FIRST, 2), (FIRST, 2))], pool(FIRST, 3)) == ([], {1: Shortage(FIRST, free=3, closed=False)})
    assert asked([wish(1, (FIRST, 2), (FIRST, 1)), wish(2, (FIRST, 1))], pool(FIRST, 3))[0] == [1]


def test_a_closed_pool_and_one_that_is_not_there_have_nothing_for_anybody() -> None:
    wishes = [wish(1, (FIRST, 1)), wish(2, (UNKNOWN, 1)), wish(3, (SECOND, 1))]
    assert asked(wishes, pool(FIRST, 5, closed=True), pool(SECOND, 1)) == (
        [3],
        {1: Shortage(FIRST, free=0, closed=True), 2: Shortage(UNKNOWN, free=0, closed=True)},
    )


QUANTITY = st.integers(1, 4)
WISHES = st.lists(st.lists(st.tuples(st.sampled_from([FIRST, SECOND, UNKNOWN]), QUANTITY), min_size=1, max_size=4), max_size=12)


@given(capacities=st.tuples(st.integers(0, 12), st.integers(0, 12)), closed=st.booleans(), wishes=WISHES)
def test_any_set_of_wishes_is_decided_as_if_they_came_one_by_one(
    capacities: tuple[int, int], closed: bool, wishes: list[list[tuple[PoolId, int]]]
) -> None:
    left = {FIRST: 0 if closed else capacities[0], SECOND: capacities[1], UNKNOWN: 0}
    expected: list[int] = []
    for number, lines in enumerate(wishes):
        after = dict(left)
        for pool_id, quantity in lines:
            after[pool_id] -= quantity
        if min(after.values()) >= 0:
            left = after
            expected.append(number)
    pools = (pool(FIRST, capacities[0], closed=closed), pool(SECOND, capacities[1]))
    granted, refused = asked([wish(number, *lines) for number, lines in enumerate(wishes)], *pools)
    assert granted == expected
    assert sorted([*granted, *refused]) == list(range(len(wishes)))
