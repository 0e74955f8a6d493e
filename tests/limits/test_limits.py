"""Limits that hold whatever becomes of Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import text

from holdfast.cache import RedisLink
from holdfast.database import Database, NetworkInsideTransaction
from holdfast.limits import Limit, LimitReached, Limits, Use, network_of

THREE = Limit("test-three", 3, timedelta(minutes=10))
FIVE = Limit("test-five", 5, timedelta(days=1))


class Forgetful:
    """A memory like a Redis that is down."""

    asked = 0

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        self.asked += 1
        return []

    async def set_with_ttl(self, values: Mapping[str, str], ttl: timedelta) -> None:
        pass


@pytest.fixture
def limits(database: Database) -> Limits:
    return Limits(database, Forgetful())


@pytest.fixture
async def link(redis_url: str, redis: Redis) -> AsyncIterator[RedisLink]:
    opened = RedisLink(redis_url)
    yield opened
    await opened.close()


async def _refused(limits: Limits, *uses: Use) -> LimitReached | None:
    try:
        await limits.use_up(uses)
    except LimitReached as refusal:
        return refusal
    return None


async def test_the_amount_is_granted_and_not_one_more(limits: Limits) -> None:
    anna, omar = Use(THREE, "anna"), Use(THREE, "omar")
    assert [await _refused(limits, anna) for _ in range(3)] == [None] * 3
    refusal = await _refused(limits, anna)
    assert refusal is not None
    seconds = refusal.facts["retry_after"]
    assert isinstance(seconds, int)
    assert 0 < seconds <= 600
    assert await _refused(limits, omar) is None


async def test_a_crowd_gets_exactly_the_amount(limits: Limits) -> None:
    outcomes = await asyncio.gather(*(_refused(limits, Use(FIVE, "anna")) for _ in range(40)))
    assert outcomes.count(None) == 5


async def test_who_is_refused_has_used_nothing_up(limits: Limits) -> None:
    for _ in range(3):
        await limits.use_up([Use(THREE, "anna")])
    for _ in range(10):
        assert await _refused(limits, Use(FIVE, "everybody"), Use(THREE, "anna"))
    for number in range(5):
        await limits.use_up([Use(FIVE, "everybody"), Use(THREE, f"other {number}")])
    assert await _refused(limits, Use(FIVE, "everybody"))


async def test_crossing_sets_do_not_wait_for_each_other(limits: Limits) -> None:
    many = Limit("test-many", 1000, timedelta(hours=1))
    one, two = Use(many, "one"), Use(many, "two")
    async with asyncio.timeout(10):
        assert set(await asyncio.gather(*(_refused(limits, *((one, two) if turn % 2 else (two, one))) for turn in range(60)))) == {None}


async def test_the_next_window_begins_anew(limits: Limits, move_time: Callable[[timedelta], None]) -> None:
    for _ in range(3):
        await limits.use_up([Use(THREE, "anna")])
    move_time(timedelta(minutes=10))
    assert [bool(await _refused(limits, Use(THREE, "anna"))) for _ in range(4)] == [False, False, False, True]


async def test_redis_repeats_refusals_and_never_makes_them(database: Database, link: RedisLink, redis: Redis) -> None:
    limits = Limits(database, link)
    for _ in range(3):
        await limits.use_up([Use(THREE, "anna")])
    assert await redis.keys("limit:*") == []
    assert await _refused(limits, Use(THREE, "anna"))
    assert await redis.keys("limit:*") == [b"limit:test-three:anna"]
    assert 0 < await redis.pttl("limit:test-three:anna") <= 600_000

    broken = Limits(Database("postgresql://nobody@127.0.0.1:1/none"), link)
    refusal = await _refused(broken, Use(THREE, "anna"))
    assert refusal is not None, "the database was asked"

    # Flushed: the database still knows.
    await redis.flushall()
    assert await _refused(limits, Use(THREE, "anna"))


async def test_limits_are_not_asked_while_rows_are_locked(database: Database, link: RedisLink) -> None:
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await Limits(database, link).use_up([Use(THREE, "anna")])


async def test_old_windows_are_forgotten(database: Database, limits: Limits, move_time: Callable[[timedelta], None]) -> None:
    await limits.use_up([Use(THREE, "anna")])
    await limits.forget_old_windows()
    counters = text("SELECT count(*) FROM limit_counters")
    async with database.reading() as tx:
        assert await tx.value(counters) == 1
    move_time(timedelta(days=3))
    await limits.forget_old_windows()
    async with database.reading() as tx:
        assert await tx.value(counters) == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::FFFF", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
    ],
)
def test_one_customer_is_one_neighbour(address: str, network: str) -> None:
    assert network_of(address) == network
