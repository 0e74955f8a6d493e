"""The connection to Redis while Redis is down, slow, or somebody else altogether."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from holdfast.cache import Cache, Marks, RedisLink
from holdfast.common.ids import Id

TTL = timedelta(seconds=30)


class SomeId(Id, prefix="tst"):
    __slots__ = ()


async def _loaded() -> str:
    return "loaded"


@asynccontextmanager
async def _listening(answer: bytes | None) -> AsyncIterator[str]:
    """A server on loopback that says the same to everything, or nothing at all; gives its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            if answer is not None:
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.close()


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_without_redis_everything_is_loaded() -> None:
    link = RedisLink("")
    cache, marks, one = Cache(link), Marks(link), SomeId.new()
    assert await cache.get_or_load("routes:one", TTL, _loaded, str) == "loaded"
    assert await cache.delete("routes")
    await marks.lock_seats([one])
    assert await marks.locked([one]) == frozenset()
    assert not link.is_up
    await link.close()


async def test_a_dead_redis_is_asked_once_a_second_and_not_waited_for() -> None:
    link = RedisLink(f"redis://127.0.0.1:{await _free_port()}")
    cache = Cache(link)
    assert await cache.get_or_load("routes:one", TTL, _loaded, str) == "loaded"
    asked = 0

    async def count(redis: Redis) -> str:
        nonlocal asked
        asked += 1
        return "answered"

    started = time.monotonic()
    answers = [await link.ask(count, otherwise="without") for _ in range(10_000)]
    assert set(answers) == {"without"}
    assert asked == 0
    assert time.monotonic() - started < 0.5
    await link.close()


@pytest.mark.parametrize("answer", [None, b"-ERR busy\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["silent", "refusing", "stranger"])
async def test_a_redis_that_hangs_or_is_none_costs_its_deadline_once(answer: bytes | None) -> None:
    async with _listening(answer) as url:
        link = RedisLink(url)
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            loads = [group.create_task(Cache(link).get_or_load(f"routes:{number}", TTL, _loaded, str)) for number in range(50)]
        assert {load.result() for load in loads} == {"loaded"}
        assert time.monotonic() - started < 0.8
        assert not link.is_up
        await link.close()


async def test_it_is_found_again_when_it_is_back(redis_url: str, redis: Redis) -> None:
    link = RedisLink(redis_url)
    cache = Cache(link)
    await cache.get_or_load("routes:one", TTL, _loaded, str)
    # Slow: every command waits, as behind a long script or a stuck disk.
    await redis.client_pause(600)
    assert await cache.get_or_load("routes:one", TTL, _loaded, str) == "loaded"
    assert [link.is_up] == [False]
    async with asyncio.timeout(5):
        while not await link.ask(lambda client: client.ping(), otherwise=False):
            await asyncio.sleep(0.02)
    assert link.is_up
    # No answer of before is taken for one of now.
    await redis.set("a", "1")
    await redis.set("b", "2")
    for _ in range(20):
        assert list(await asyncio.gather(link.read(["a"]), link.read(["b"]))) == [[b"1"], [b"2"]]
    await link.close()


async def test_marks_are_there_for_others_with_their_ttl(redis_url: str, redis: Redis) -> None:
    link = RedisLink(redis_url)
    marks = Marks(link)
    hold, session, other = SomeId.new(), SomeId.new(), SomeId.new()
    await marks.place_holds({hold: session}, timedelta(minutes=5))
    assert await redis.get(f"hold:{hold}") == str(session).encode()
    assert 299_000 < await redis.pttl(f"hold:{hold}") <= 300_000
    await marks.lock_seats([session])
    assert 0 < await redis.pttl(f"seat:lock:{session}") <= 1000
    assert await marks.locked([session, other]) == {session}
    await marks.unlock_seats([session])
    await marks.remove_holds([hold])
    assert await redis.dbsize() == 0
    # A hold that is over when its mark would be set leaves none.
    await marks.place_holds({hold: session}, timedelta(0))
    assert await redis.dbsize() == 0
    await link.close()
