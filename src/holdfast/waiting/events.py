"""What waiting rooms announce."""

from datetime import datetime
from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.events import Event
from holdfast.resources.events import OwnerId
from holdfast.waiting.states import RoomState


class WaitingRoomMoved(Event, frozen=True, kw_only=True):
    """A room admitted people, changed its state or its settings. ``version`` is the room's.

    One event for all who were admitted together, at most one a second: ``admitted`` may hold until ``admitted_until``.
    """

    subject: ClassVar[str] = "owner_id"
    kind: str
    owner_id: OwnerId
    state: RoomState
    admitted_up_to: int
    last_number: int
    admitted: tuple[UserId, ...] = ()
    admitted_until: datetime | None = None
