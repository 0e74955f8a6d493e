"""Waiting rooms on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.sessions.models import SessionId
from holdfast.waiting.models import INSIDE_MAX, PER_SECOND_MAX, PER_SECOND_MIN, Room, Standing
from holdfast.waiting.states import PlaceState, RoomState


class WaitingRoomChange(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How people are to wait. ``isOpen`` false turns the room off: then everybody may hold at once."""

    is_open: Annotated[bool, Meta(description="Whether people must wait for their turn.", examples=[True])] = True
    per_second: Annotated[float, Meta(ge=PER_SECOND_MIN, le=PER_SECOND_MAX, description="People admitted a second at most.")] | None = None
    inside_max: (
        Annotated[int, Meta(ge=1, le=INSIDE_MAX, description="People who are admitted and have not held yet, at most.", examples=[200])]
        | None
    ) = None


class WaitingRoomView(Struct, frozen=True, rename="camel"):
    """A waiting room. Numbers up to ``admittedUpTo`` have had their turn or have it now; ``waiting`` people come after them."""

    session_id: str
    state: RoomState
    per_second: float
    inside_max: int
    admitted_up_to: int
    waiting: int

    @classmethod
    def of(cls, room: Room) -> Self:
        return cls(
            session_id=str(SessionId.of(room.owner_id)),
            state=room.state,
            per_second=room.per_second,
            inside_max=room.inside_max,
            admitted_up_to=room.admitted_up_to,
            waiting=room.waiting,
        )


class PlaceView(Struct, frozen=True, rename="camel"):
    """Your place in line. Ask again with ``ticket``, or listen in the room ``waiting:{sessionId}``.

    WAITING: ``ahead`` people come before you. ADMITTED: hold until ``admittedUntil``. USED: you held; LAPSED: you did not hold in time.
    ``estimatedWaitSeconds`` is missing where nobody can tell, as while everything is sold out.
    """

    session_id: str
    room_state: RoomState
    state: PlaceState
    number: int
    ahead: int
    admitted_up_to: int
    estimated_wait_seconds: int | None
    admitted_until: datetime | None
    ticket: str

    @classmethod
    def of(cls, standing: Standing) -> Self:
        return cls(
            session_id=str(SessionId.of(standing.room.owner_id)),
            room_state=standing.room.state,
            state=standing.state,
            number=standing.number,
            ahead=standing.ahead,
            admitted_up_to=standing.room.admitted_up_to,
            estimated_wait_seconds=standing.wait_s,
            admitted_until=standing.admitted_until,
            ticket=standing.ticket,
        )
