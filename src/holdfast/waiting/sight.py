"""The rooms as this process sees them: in its memory, at most a second old, so that most questions cost the database nothing."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from math import ceil
from uuid import UUID

import psycopg
import structlog

from holdfast.common.errors import Overloaded
from holdfast.database import Database
from holdfast.database.retries import ConnectionLost
from holdfast.waiting import repository
from holdfast.waiting.models import Room
from holdfast.waiting.states import RoomState

AGE_S_MAX = 1.0
PACE_S_MAX = 60.0
"""How far back the pace of a room is measured."""
PACE_S_MIN = 5.0
"""Sooner than that the room's own rate is the better guess."""

log = structlog.get_logger()


class Sight:
    """Every room that guards its owner. The loop of ``admission.py`` reads them anew all the time; where it does not run, ``look`` does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rooms: Mapping[UUID, Room] = {}
        self._paces: dict[UUID, deque[tuple[float, int]]] = {}
        self._seen_at: float | None = None
        self._reading = asyncio.Lock()

    async def look(self) -> None:
        """Read the rooms where what is known of them is older than a second. What is known goes on to count while the database
        cannot be read. Raises Overloaded, ConnectionLost where nothing is known yet.
        """
        if self._is_fresh():
            return
        async with self._reading:
            if self._is_fresh():
                return
            try:
                await self.refresh()
            except (psycopg.OperationalError, ConnectionLost, Overloaded) as error:
                if self._seen_at is None:
                    raise
                log.warning("waiting_rooms_unreadable", reason=type(error).__name__)

    async def refresh(self) -> None:
        """Read the rooms now."""
        asked_at = time.monotonic()
        async with self._database.reading() as tx:
            self._rooms = await repository.guarding(tx)
        self._seen_at = asked_at
        self._note_paces(asked_at)

    def room(self, owner_id: UUID) -> Room | None:
        """A room that guards its owner."""
        return self._rooms.get(owner_id)

    def has_any(self) -> bool:
        return bool(self._rooms)

    def wait_s(self, room: Room, number: int) -> int | None:
        """About how many seconds until this number is admitted, at the pace of the last minute. None where nobody can tell."""
        if room.state is not RoomState.OPEN:
            return None
        pace = self._pace(room)
        return ceil(max(0, number - room.admitted_up_to) / pace) if pace > 0 else None

    def _pace(self, room: Room) -> float:
        """People a second."""
        seen = self._paces.get(room.owner_id)
        if not seen or seen[-1][0] - seen[0][0] < PACE_S_MIN:
            return room.per_second
        return min(room.per_second, (seen[-1][1] - seen[0][1]) / (seen[-1][0] - seen[0][0]))

    def _note_paces(self, now: float) -> None:
        self._paces = {owner_id: seen for owner_id, seen in self._paces.items() if owner_id in self._rooms}
        for owner_id, room in self._rooms.items():
            seen = self._paces.setdefault(owner_id, deque())
            # An idle room is not a slow one.
            if room.waiting == 0:
                seen.clear()
            seen.append((now, room.admitted_up_to))
            while seen[0][0] < now - PACE_S_MAX:
                seen.popleft()

    def _is_fresh(self) -> bool:
        return self._seen_at is not None and time.monotonic() - self._seen_at < AGE_S_MAX
