"""Admission: moves every room forward. Runs in each process, and any one of them is enough."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import psycopg
import structlog

from holdfast import events
from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown, Tx, retried
from holdfast.database.retries import ConnectionLost
from holdfast.resources.events import owner
from holdfast.waiting import repository
from holdfast.waiting.events import WaitingRoomMoved
from holdfast.waiting.pace import STEP, next_step
from holdfast.waiting.repository import Admitted, Step
from holdfast.waiting.sight import Sight

POLL_S = 0.25
IDLE_WAIT_S = 0.5
"""Where there is no room at all: often enough for the gate never to have to look itself (``AGE_S_MAX`` in ``sight.py``)."""
FAILURE_WAIT_S = 1.0
ROOMS_MAX = 50

log = structlog.get_logger()


class Admission:
    """Lets people in, in the order of their numbers."""

    def __init__(self, database: Database, sight: Sight, turn: timedelta) -> None:
        """``turn`` is how long an admitted person has to hold."""
        self._database = database
        self._sight = sight
        self._turn = turn

    async def run(self) -> None:
        """Until cancelled: see what rooms there are, and move those whose time has come."""
        while True:
            try:
                await self._sight.refresh()
                if self._sight.has_any() and await self.admit_due():
                    await self._sight.refresh()
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("admission_waits", reason=type(error).__name__)
                await asyncio.sleep(FAILURE_WAIT_S)
            await asyncio.sleep(POLL_S if self._sight.has_any() else IDLE_WAIT_S)

    async def admit_due(self) -> int:
        """Move every room that is due once; returns how many moved."""
        moved, after = 0, None
        while True:
            steps, after = await self._admit_some(after)
            moved += steps
            if after is None:
                return moved

    @retried
    async def _admit_some(self, after: UUID | None) -> tuple[int, UUID | None]:
        """How many rooms moved, and after which one to go on; None where there are no more."""
        async with self._database.transaction() as tx:
            rooms = await repository.lock_due(tx, STEP, after, ROOMS_MAX)
            if rooms:
                measured = await repository.measure(tx, [room.owner_id for room in rooms])
                steps = [next_step(room, measured[room.owner_id]) for room in rooms]
                steps = [step for step in steps if step.up_to > step.room.admitted_up_to or step.state is not step.room.state]
                await self._move(tx, steps)
                return len(steps), rooms[-1].owner_id if len(rooms) == ROOMS_MAX else None
        return 0, None

    async def _move(self, tx: Tx, steps: Sequence[Step]) -> None:
        if not steps:
            return
        by_owner: defaultdict[UUID, list[Admitted]] = defaultdict(list)
        for admitted in await repository.admit(tx, steps, self._turn):
            by_owner[admitted.owner_id].append(admitted)
        await repository.move_rooms(tx, steps)
        await events.publish(tx, [_moved(step, by_owner[step.room.owner_id]) for step in steps])


def _moved(step: Step, admitted: Sequence[Admitted]) -> WaitingRoomMoved:
    return WaitingRoomMoved(
        version=step.room.version + 1,
        kind=step.room.owner_kind,
        owner_id=owner(step.room.owner_id),
        state=step.state,
        admitted_up_to=step.up_to,
        last_number=step.last_number,
        admitted=tuple(each.user_id for each in sorted(admitted, key=lambda each: each.number)),
        admitted_until=min((each.admitted_until for each in admitted), default=None),
    )
