"""Marks in Redis for others to see: which holds live, and which sessions have no free seat. Nothing of ours waits for them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from holdfast.cache.link import RedisLink
from holdfast.common.ids import Id

SEAT_LOCK_TTL = timedelta(seconds=1)


class Marks:
    """Set after the commit that made them true. Without Redis they are simply not there."""

    def __init__(self, redis: RedisLink) -> None:
        self._redis = redis

    async def place_holds(self, sessions: Mapping[Id, Id], lifetime: timedelta) -> None:
        """``hold:{holdId}`` with its TTL, for holds and the session of each. Again with what is left when a hold is extended."""
        await self._redis.set_with_ttl({hold_key(hold): str(session) for hold, session in sessions.items()}, lifetime)

    async def remove_holds(self, holds: Sequence[Id]) -> None:
        await self._redis.delete([hold_key(hold) for hold in holds])

    async def lock_seats(self, sessions: Sequence[Id]) -> None:
        """``seat:lock:{sessionId}``: other processes refuse these sessions without a claim, for a second at most."""
        await self._redis.set_with_ttl({seat_lock_key(session): "1" for session in sessions}, SEAT_LOCK_TTL)

    async def unlock_seats(self, sessions: Sequence[Id]) -> None:
        await self._redis.delete([seat_lock_key(session) for session in sessions])

    async def locked(self, sessions: Sequence[Id]) -> frozenset[Id]:
        """Those of the sessions that are locked; none without Redis."""
        if not sessions:
            return frozenset()
        found = await self._redis.read([seat_lock_key(session) for session in sessions])
        return frozenset(session for session, mark in zip(sessions, found, strict=False) if mark is not None)


def hold_key(hold: Id) -> str:
    return f"hold:{hold}"


def seat_lock_key(session: Id) -> str:
    return f"seat:lock:{session}"
