"""Sold out costs nothing: owners of which nothing was free a moment ago are refused without a claim.

Never the truth, and at most a second old: in this process's own memory, and in Redis (``seat:lock:{sessionId}``) for the others.
"""

import time
from collections.abc import Collection, Mapping
from uuid import UUID

from holdfast.cache import Marks
from holdfast.inventory import PoolId, Shortage
from holdfast.sessions.models import SessionId

REMEMBERED_S = 0.5
ASKED_AGAIN_S = 0.1
"""How soon Redis is asked again about an owner that it did not call sold out: asking with every batch took a thirtieth of its time."""
REMEMBERED_MAX = 10_000

# All that another process said is that nothing is free.
_SAID_BY_ANOTHER = Shortage(PoolId(int=0), free=0, closed=False)


class SoldOutMemo:
    """What was sold out at most a second ago."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._until: dict[UUID, tuple[float, Shortage]] = {}
        self._ask_again_at: dict[UUID, float] = {}

    async def recall(self, owner_ids: Collection[UUID]) -> Mapping[UUID, Shortage]:
        """The shortages of those owners that are known to have nothing free."""
        now = time.monotonic()
        known = {owner_id: found[1] for owner_id in owner_ids if (found := self._until.get(owner_id)) and found[0] > now}
        unknown = [SessionId.of(each) for each in owner_ids if each not in known and self._ask_again_at.get(each, 0.0) <= now]
        if unknown:
            said = await self._marks.locked(unknown)
            known |= dict.fromkeys(said, _SAID_BY_ANOTHER)
            if len(self._ask_again_at) + len(unknown) > REMEMBERED_MAX:
                self._ask_again_at.clear()
            self._ask_again_at.update(dict.fromkeys((each for each in unknown if each not in said), now + ASKED_AGAIN_S))
        return known

    async def note(self, shortages: Mapping[UUID, Shortage]) -> None:
        """Remember owners of which nothing is free, or that are closed."""
        if not shortages:
            return
        now = time.monotonic()
        if len(self._until) + len(shortages) > REMEMBERED_MAX:
            self._until = {owner_id: found for owner_id, found in self._until.items() if found[0] > now}
        self._until.update({owner_id: (now + REMEMBERED_S, shortage) for owner_id, shortage in shortages.items()})
        # A mark says no more than "sold out", so what is closed is left for each process to find out.
        sold_out = [SessionId.of(owner_id) for owner_id, shortage in shortages.items() if not shortage.closed]
        if sold_out:
            await self._marks.lock_seats(sold_out)
