"""Values that are dear to make and may be a little old, kept in Redis as JSON."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import DecodeError

from holdfast.cache.link import PAUSE_S, RedisLink
from holdfast.common.wire import restored, stored
from holdfast.database import forbid_inside_transaction

T = TypeVar("T")
_SEPARATOR = b"\n"


class Cache:
    """A key is ``group:whatever``, in Redis ``cache:group:whatever``. What ends together is in one group.

    Each group has a generation, a random word that ``delete`` replaces. A value is kept with the generation that was read before
    it was loaded, and counts only while that is still the present one: so a slow load that began before a ``delete`` and ends
    after it leaves nothing behind, in no process.
    """

    def __init__(self, redis: RedisLink) -> None:
        self._redis = redis
        self._loads: dict[tuple[str, bytes], asyncio.Task[Any]] = {}

    async def get_or_load(self, key: str, ttl: timedelta, load: Callable[[], Awaitable[T]], type_: type[T]) -> T:
        """The value under ``key``, loaded if there is none, and then kept for ``ttl`` or up to a tenth less.

        Callers of one process who want the same value at the same time wait for one load. Not inside a transaction.
        """
        forbid_inside_transaction("the cache")
        generation, found = await self._read(key)
        if found is not None:
            try:
                return restored(found, type_)
            except (DecodeError, ValueError):
                # Another version of the program wrote it.
                pass
        return await self._load_once(key, generation, ttl, load)

    async def delete(self, *groups: str) -> bool:
        """Make everything in these groups count no longer. False where Redis cannot be reached: then do it again later.

        True where there is no Redis at all, so nothing is kept.
        """
        fresh = {_generation_key(group): _fresh_generation() for group in groups}
        return bool(await self._redis.ask(lambda redis: redis.mset(fresh), otherwise=not self._redis.is_there))

    async def delete_surely(self, *groups: str) -> None:
        """Delete, as soon as Redis can be reached: what followers of the event log do."""
        while not await self.delete(*groups):  # noqa: ASYNC110 - nothing tells when Redis is back.
            await asyncio.sleep(PAUSE_S)

    async def _read(self, key: str) -> tuple[bytes, bytes | None]:
        """The generation of the key's group, empty where it cannot be known, and the value where there is one of that generation."""
        generation_key = _generation_key(_group(key))
        found = await self._redis.read([generation_key, _value_key(key)])
        if not found:
            return b"", None
        generation, kept = found
        if generation is None:
            # Redis was flushed, or is new. A word that was never used before, so that no older load fits it.
            fresh = _fresh_generation()
            await self._redis.ask(lambda redis: redis.set(generation_key, fresh, nx=True), otherwise=None)
            found = await self._redis.read([generation_key])
            return (found and found[0]) or b"", None
        of, separator, value = (kept or b"").partition(_SEPARATOR)
        return generation, value if separator and of == generation else None

    async def _load_once(self, key: str, generation: bytes, ttl: timedelta, load: Callable[[], Awaitable[T]]) -> T:
        # The generation is part of it: who asks after a delete must not join a load from before.
        flight = (key, generation)
        loading = self._loads.get(flight)
        if loading is None:
            loading = asyncio.create_task(self._load(key, generation, ttl, load))
            self._loads[flight] = loading
            loading.add_done_callback(lambda _: self._loads.pop(flight, None))
        # Shielded: one caller who gives up must not take it from the others.
        value: T = await asyncio.shield(loading)
        return value

    async def _load(self, key: str, generation: bytes, ttl: timedelta, load: Callable[[], Awaitable[T]]) -> T:
        value = await load()
        if generation:
            # Each lives a little shorter or longer, so that not all of them end at once.
            milliseconds = int(ttl.total_seconds() * 1000 * random.uniform(0.9, 1.0))  # noqa: S311 - nothing secret.
            content = generation + _SEPARATOR + stored(value)
            await self._redis.ask(lambda redis: redis.set(_value_key(key), content, px=milliseconds), otherwise=None)
        return value


def _group(key: str) -> str:
    group, separator, _ = key.partition(":")
    if not separator:
        raise ValueError(f"A key is written group:rest, not {key}")
    return group


def _value_key(key: str) -> str:
    return f"cache:{key}"


def _generation_key(group: str) -> str:
    return f"cache:{group}:generation"


def _fresh_generation() -> bytes:
    return secrets.token_hex(8).encode()
