"""Who may hold at this moment: the protocol between ``bookings`` and whoever keeps people in line (``waiting``)."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from holdfast.common.errors import Refusal
from holdfast.database import Tx


class NotAdmitted(Refusal):
    """Here it goes in turn. Join the waiting room with POST {join}, and hold once you are admitted; each turn is good for one hold."""

    code = "waiting_room"
    status = 409


class Visit(Struct, frozen=True):
    """Somebody who wants to hold of what an owner offers. ``booking_id`` is the booking's id if it is granted."""

    owner_id: UUID
    customer_id: UUID
    booking_id: UUID


class Gate(Protocol):
    """Stands before some owners. For the others it costs a look into a dictionary."""

    async def look(self) -> None:
        """See to it that ``guards`` knows what was true a second ago. Not inside a transaction."""
        ...

    def guards(self, owner_id: UUID) -> bool:
        """Whether it stands before this owner."""
        ...

    async def judge(self, tx: Tx, visits: Sequence[Visit]) -> Mapping[UUID, Refusal]:
        """Why some may not hold now, by booking id. The others' turns stay locked until the commit."""
        ...

    async def use_up(self, tx: Tx, visits: Sequence[Visit]) -> None:
        """These were let in and have their hold."""
        ...


class NoGate:
    """Everybody may hold: a desk of which nobody said otherwise."""

    async def look(self) -> None: ...

    def guards(self, owner_id: UUID) -> bool:
        return False

    async def judge(self, tx: Tx, visits: Sequence[Visit]) -> Mapping[UUID, Refusal]:
        return {}

    async def use_up(self, tx: Tx, visits: Sequence[Visit]) -> None: ...


NO_GATE = NoGate()
