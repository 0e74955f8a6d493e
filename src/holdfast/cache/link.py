"""The connection of one process to Redis, and what happens without it: an answer given beforehand, at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from holdfast.database import forbid_inside_transaction

DEADLINE_S = 0.2
PAUSE_S = 1.0
CONNECTIONS = 20

T = TypeVar("T")

log = structlog.get_logger()


class RedisLink:
    """Asks Redis, and waits 0.2 s at most. After a failure nobody asks for a second, then one caller tries."""

    def __init__(self, url: str) -> None:
        """``url`` is as redis-py reads it; an empty one means that there is no Redis."""
        self._client = None if not url else _client(url)
        self._down_until: float | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is a Redis, up or down."""
        return self._client is not None

    @property
    def is_up(self) -> bool:
        """Whether the next question would be put to Redis by everybody."""
        return self._client is not None and self._down_until is None

    async def ask(self, command: Callable[["Redis"], Awaitable[T]], otherwise: T) -> T:
        """What Redis answers, or ``otherwise`` without it. Raises NetworkInsideTransaction."""
        forbid_inside_transaction("Redis")
        if self._client is None or not self._may_ask():
            return otherwise
        try:
            async with asyncio.timeout(DEADLINE_S):
                answer = await command(self._client)
        except (RedisError, OSError, TimeoutError) as error:
            if self._down_until is None:
                log.warning("redis_unreachable", reason=type(error).__name__)
            self._down_until = time.monotonic() + PAUSE_S
            return otherwise
        if self._down_until is not None:
            log.info("redis_reachable")
            self._down_until = None
        return answer

    async def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of keys, None where there is none; an empty list without Redis."""
        nothing: list[bytes | None] = []
        return await self.ask(lambda redis: cast("Awaitable[list[bytes | None]]", redis.mget(keys)), otherwise=nothing)

    async def set_with_ttl(self, values: Mapping[str, str], ttl: timedelta) -> None:
        """Set many keys that live equally long, in one go; none where ``ttl`` is over already."""
        milliseconds = int(ttl.total_seconds() * 1000)
        if values and milliseconds > 0:
            await self.ask(lambda redis: _set_all(redis, values, milliseconds), otherwise=None)

    async def delete(self, keys: Sequence[str]) -> None:
        if keys:
            await self.ask(lambda redis: redis.delete(*keys), otherwise=0)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    def _may_ask(self) -> bool:
        if self._down_until is None:
            return True
        now = time.monotonic()
        if now < self._down_until:
            return False
        # This caller tries; the others go on without waiting for what it finds.
        self._down_until = now + PAUSE_S
        return True


async def _set_all(redis: "Redis", values: Mapping[str, str], milliseconds: int) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        for key, value in values.items():
            pipeline.set(key, value, px=milliseconds)
        return await pipeline.execute()


def _client(url: str) -> "Redis":
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=DEADLINE_S,
        # Also what the client waits for when it closes a connection after our own deadline.
        socket_timeout=DEADLINE_S,
        socket_connect_timeout=DEADLINE_S,
        # RESP 2 has no messages that nobody asked for, so a connection with something to read is a broken one.
        protocol=2,
        # Once, at once: an idle connection may have died with a Redis that is back by now.
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)
