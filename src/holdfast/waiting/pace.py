"""How many people a room admits next: pure."""

from datetime import timedelta
from math import floor

from holdfast.waiting.repository import DueRoom, Measure, Step
from holdfast.waiting.states import ROOM, RoomState

STEP = timedelta(seconds=1)
"""A room moves at most once in this time: one commit, and one message to all who wait."""
CREDIT_S_MAX = 2.0
"""What a room may make up for after it was not moved: so many seconds of its rate, and at least one person."""
ADMITTED_MAX = 1_000
_ROUNDING = 1e-6


def next_step(room: DueRoom, found: Measure) -> Step:
    """The next numbers, as many as the rate, those inside and what is free allow.

    The rate is a token bucket (Turner 1986): it never lets more than ``rate * (t + 2 s)`` people in within ``t``. Nobody is admitted for
    whom nothing would be left: people inside are at most ``inside_max``, and at most as many as there are free units.
    """
    credit = min(
        (found.now - room.credit_from).total_seconds() * room.per_second,
        max(1.0, room.per_second * CREDIT_S_MAX),
    )
    state = _state(found)
    admitted = 0
    if state is RoomState.OPEN:
        waiting = found.last_number - room.admitted_up_to
        places_inside = min(room.inside_max, found.free) - found.inside
        admitted = max(0, min(floor(credit + _ROUNDING), waiting, places_inside, ADMITTED_MAX))
    left = max(0.0, credit - admitted)
    return Step(
        room=room,
        last_number=found.last_number,
        state=room.state if state is room.state else ROOM.move(room.state, to=state),
        up_to=room.admitted_up_to + admitted,
        credit_from=found.now - timedelta(seconds=left / room.per_second),
    )


def _state(found: Measure) -> RoomState:
    if not found.sells:
        return RoomState.ENDED
    return RoomState.OPEN if found.free > 0 else RoomState.SOLD_OUT
