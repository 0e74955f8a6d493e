"""The gate before owners with a waiting room: what ``bookings`` asks before it grants a hold."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from holdfast.common.errors import Refusal
from holdfast.database import Tx
from holdfast.resources.gate import NotAdmitted, Visit
from holdfast.waiting import repository
from holdfast.waiting.owners import OwnerKinds
from holdfast.waiting.sight import Sight


class WaitingGate:
    """Lets in whoever is admitted, for one hold each. Which owners it guards may be a second old; whose turn it is never is."""

    def __init__(self, sight: Sight, kinds: OwnerKinds) -> None:
        self._sight = sight
        self._kinds = kinds

    async def look(self) -> None:
        await self._sight.look()

    def guards(self, owner_id: UUID) -> bool:
        return self._sight.room(owner_id) is not None

    async def judge(self, tx: Tx, visits: Sequence[Visit]) -> Mapping[UUID, Refusal]:
        """One turn is good for one hold: of several requests of one person only the first is let in."""
        turns = await repository.lock_turns(tx, visits)
        refused: dict[UUID, Refusal] = {}
        for visit in visits:
            turn = (visit.owner_id, visit.customer_id)
            if turn in turns:
                turns.remove(turn)
            else:
                refused[visit.booking_id] = NotAdmitted(join=self._join_path(visit.owner_id))
        return refused

    async def use_up(self, tx: Tx, visits: Sequence[Visit]) -> None:
        await repository.use_turns(tx, visits)

    def _join_path(self, owner_id: UUID) -> str:
        room = self._sight.room(owner_id)
        return f"{self._kinds[room.owner_kind].path_of(owner_id)}/join" if room else ""
