"""The life of a waiting room as a table, and what a place can be."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.waiting.errors import NoWaitingRoom, WaitingRoomEnded


class RoomState(StrEnum):
    OPEN = "OPEN"
    SOLD_OUT = "SOLD_OUT"
    ENDED = "ENDED"
    OFF = "OFF"


class PlaceState(StrEnum):
    """What a place is follows from its row and the time, so it is kept nowhere."""

    WAITING = "WAITING"
    ADMITTED = "ADMITTED"
    USED = "USED"
    LAPSED = "LAPSED"


ROOM = Machine(
    name="waiting room",
    initial=RoomState.OPEN,
    moves=(
        Move(RoomState.OPEN, RoomState.SOLD_OUT, by="nothing being free"),
        Move(RoomState.SOLD_OUT, RoomState.OPEN, by="something coming back"),
        Move(RoomState.OPEN, RoomState.ENDED, by="its owner closing or being called off"),
        Move(RoomState.SOLD_OUT, RoomState.ENDED, by="its owner closing or being called off"),
        Move(RoomState.OPEN, RoomState.OFF, by="the driver or an admin"),
        Move(RoomState.SOLD_OUT, RoomState.OFF, by="the driver or an admin"),
        Move(RoomState.OFF, RoomState.OPEN, by="the driver or an admin"),
        Move(RoomState.ENDED, RoomState.OPEN, by="the driver or an admin, where its owner sells again"),
    ),
    refusals={RoomState.ENDED: WaitingRoomEnded, RoomState.OFF: NoWaitingRoom},
)

GUARDING = (RoomState.OPEN, RoomState.SOLD_OUT)
"""In these states nobody holds who was not admitted."""
