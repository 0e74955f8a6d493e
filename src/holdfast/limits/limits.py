"""Counting uses in fixed windows of time."""

import math
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from holdfast.database import Database, retried
from holdfast.limits import repository
from holdfast.limits.errors import LimitReached

KEPT_FOR = timedelta(days=2)


class Limit(Struct, frozen=True):
    """At most ``amount`` uses of one subject in each window. Windows lie end to end and are at most a day long."""

    name: str
    amount: int
    window: timedelta


class Use(Struct, frozen=True):
    """One use of a limit by a subject: a network, a hash of a phone. Never something personal in the clear."""

    limit: Limit
    subject: str

    @property
    def key(self) -> str:
        return f"limit:{self.limit.name}:{self.subject}"


class Memory(Protocol):
    """Redis, or something that forgets as easily. It remembers refusals, so that a flood of them costs the database nothing."""

    async def read(self, keys: Sequence[str]) -> list[bytes | None]: ...

    async def set_with_ttl(self, values: Mapping[str, str], ttl: timedelta) -> None: ...


class Limits:
    """PostgreSQL counts; ``memory`` only repeats what was refused."""

    def __init__(self, database: Database, memory: Memory) -> None:
        self._database = database
        self._memory = memory

    async def use_up(self, uses: Sequence[Use]) -> None:
        """Count one use of each, all or none: who is refused has used nothing up. Raises LimitReached. Not inside a transaction."""
        await self._refuse_what_was_refused(uses)
        reached = await self._count(uses)
        if not reached:
            return
        use, seconds = max(reached, key=lambda found: found[1])
        await self._memory.set_with_ttl({use.key: str(time.time() + seconds)}, timedelta(seconds=seconds))
        raise LimitReached(retry_after=math.ceil(seconds))

    async def forget_old_windows(self) -> None:
        """Delete the counters of windows that are over."""
        async with self._database.transaction() as tx:
            await repository.delete_old(tx, KEPT_FOR)

    async def _refuse_what_was_refused(self, uses: Sequence[Use]) -> None:
        ends = [float(found) for found in await self._memory.read([use.key for use in uses]) if found is not None]
        left = max(ends, default=0.0) - time.time()
        if left > 0:
            raise LimitReached(retry_after=math.ceil(left))

    @retried
    async def _count(self, uses: Sequence[Use]) -> list[tuple[Use, float]]:
        """The limits that one more use would exceed, each with the seconds until its window ends; then nothing was counted."""
        try:
            async with self._database.transaction() as tx:
                counted = await repository.count(tx, [(use.limit.name, use.subject, use.limit.window) for use in uses])
                reached = [
                    (use, window.seconds_left) for use in uses if (window := counted[use.limit.name, use.subject]).used > use.limit.amount
                ]
                if reached:
                    raise _Reached
        except _Reached:
            return reached
        return []


class _Reached(Exception):
    """Rolls the transaction back."""
