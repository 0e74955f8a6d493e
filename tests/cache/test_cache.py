"""Cached values, with a Redis that is there, absent, down, slow or flushed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec import Struct
from redis.asyncio import Redis

from holdfast.cache import Cache, RedisLink
from holdfast.cache.cache import _fresh_generation
from holdfast.database import Database, NetworkInsideTransaction

TTL = timedelta(seconds=30)


class Shown(Struct, frozen=True):
    name: str
    stations: list[str]


class Source:
    """Where values come from. It counts how often it was asked, and can be made to wait."""

    def __init__(self) -> None:
        self.name = "Ramses - Nasr City"
        self.loads = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.waiting = asyncio.Event()

    async def load(self) -> Shown:
        self.loads += 1
        read = self.name
        self.waiting.set()
        await self.go_on.wait()
        return Shown(read, ["Ramses"])


@pytest.fixture
async def link(redis_url: str, redis: Redis) -> AsyncIterator[RedisLink]:
    opened = RedisLink(redis_url)
    yield opened
    await opened.close()


@pytest.fixture
def source() -> Source:
    return Source()


async def test_a_value_is_loaded_once_for_all_processes(link: RedisLink, redis_url: str, source: Source) -> None:
    other = RedisLink(redis_url)
    assert await Cache(link).get_or_load("routes:one", TTL, source.load, Shown) == Shown("Ramses - Nasr City", ["Ramses"])
    assert await Cache(other).get_or_load("routes:one", TTL, source.load, Shown) == Shown("Ramses - Nasr City", ["Ramses"])
    assert source.loads == 1
    await other.close()


async def test_it_lies_under_the_documented_key_and_expires(link: RedisLink, redis: Redis, source: Source) -> None:
    await Cache(link).get_or_load("routes:one", TTL, source.load, Shown)
    assert 26_000 < await redis.pttl("cache:routes:one") <= 30_000


async def test_delete_ends_a_whole_group_and_no_other(link: RedisLink, source: Source) -> None:
    cache = Cache(link)
    for key in ("routes:one", "routes:two", "stations:one"):
        await cache.get_or_load(key, TTL, source.load, Shown)
    source.name = "Ramses - Maadi"
    assert await cache.delete("routes")
    names = [(await cache.get_or_load(key, TTL, source.load, Shown)).name for key in ("routes:one", "routes:two", "stations:one")]
    assert names == ["Ramses - Maadi", "Ramses - Maadi", "Ramses - Nasr City"]


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control"])
@pytest.mark.parametrize("flushed", [False, True], ids=["", "flushed"])
async def test_a_slow_load_never_writes_back_what_was_deleted(
    link: RedisLink, redis: Redis, redis_url: str, source: Source, monkeypatch: pytest.MonkeyPatch, flushed: bool, guarded: bool
) -> None:
    if not guarded:
        # Generations that repeat themselves: a counter that starts anew, say.
        monkeypatch.setattr("holdfast.cache.cache._fresh_generation", lambda: b"1")
    other = RedisLink(redis_url)
    here, elsewhere = Cache(link), Cache(other)
    source.go_on.clear()
    slow = asyncio.create_task(elsewhere.get_or_load("routes:one", TTL, source.load, Shown))
    await source.waiting.wait()
    source.name = "Ramses - Maadi"
    await here.delete("routes")
    if flushed:
        await redis.flushall()
        await here.get_or_load("routes:two", TTL, Source().load, Shown)
    source.go_on.set()
    assert (await slow).name == "Ramses - Nasr City"
    await other.close()
    shown = await here.get_or_load("routes:one", TTL, source.load, Shown)
    assert shown.name == ("Ramses - Maadi" if guarded else "Ramses - Nasr City")


async def test_who_asks_after_a_delete_does_not_join_a_load_from_before(link: RedisLink, source: Source) -> None:
    cache = Cache(link)
    source.go_on.clear()
    before = asyncio.create_task(cache.get_or_load("routes:one", TTL, source.load, Shown))
    await source.waiting.wait()
    source.name = "Ramses - Maadi"
    await cache.delete("routes")
    source.waiting.clear()
    after = asyncio.create_task(cache.get_or_load("routes:one", TTL, source.load, Shown))
    await source.waiting.wait()
    source.go_on.set()
    assert ((await before).name, (await after).name) == ("Ramses - Nasr City", "Ramses - Maadi")


@pytest.mark.parametrize("with_redis", [True, False])
async def test_a_crowd_waits_for_one_load(redis_url: str, redis: Redis, source: Source, with_redis: bool) -> None:
    link = RedisLink(redis_url if with_redis else "")
    cache = Cache(link)
    # Wakes the connection up, so that all of the crowd find Redis in time.
    await cache.delete("routes")
    source.go_on.clear()
    crowd = [asyncio.create_task(cache.get_or_load("routes:one", TTL, source.load, Shown)) for _ in range(100)]
    await source.waiting.wait()
    # One of them gives up; the others must not lose the load.
    crowd[0].cancel()
    source.go_on.set()
    answers = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [Shown("Ramses - Nasr City", ["Ramses"])] * 99
    assert source.loads == 1
    await link.close()


async def test_a_failed_load_fails_for_who_waited_and_is_tried_anew(link: RedisLink, source: Source) -> None:
    cache = Cache(link)

    async def fail() -> Shown:
        raise ValueError("no database")

    with pytest.raises(ValueError, match="no database"):
        await cache.get_or_load("routes:one", TTL, fail, Shown)
    assert (await cache.get_or_load("routes:one", TTL, source.load, Shown)).name == "Ramses - Nasr City"


@pytest.mark.parametrize("kept", [b"", b"not json", b"{}", b'{"name": 1, "stations": []}', b"\xff\xfe"])
async def test_what_another_version_wrote_is_loaded_anew(link: RedisLink, redis: Redis, source: Source, kept: bytes) -> None:
    cache = Cache(link)
    await cache.get_or_load("routes:one", TTL, source.load, Shown)
    generation = await redis.get("cache:routes:generation")
    assert isinstance(generation, bytes)
    await redis.set("cache:routes:one", generation + b"\n" + kept)
    assert (await cache.get_or_load("routes:one", TTL, source.load, Shown)).name == "Ramses - Nasr City"
    assert source.loads == 2


async def test_redis_is_never_waited_for_while_rows_are_locked(link: RedisLink, database: Database, source: Source) -> None:
    for cache in (Cache(link), Cache(RedisLink(""))):
        async with database.transaction():
            with pytest.raises(NetworkInsideTransaction):
                await cache.get_or_load("routes:one", TTL, source.load, Shown)
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            await link.ask(lambda redis: redis.get("x"), otherwise=None)


def test_generations_do_not_repeat() -> None:
    assert len({_fresh_generation() for _ in range(1000)}) == 1000
