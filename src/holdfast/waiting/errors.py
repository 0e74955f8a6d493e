"""The ways in which a waiting room says no."""

from holdfast.common.errors import NotFound, Refusal


class NoWaitingRoom(NotFound):
    """There is no waiting room here, or it is off. Hold at once."""

    code = "no_waiting_room"


class NoPlace(NotFound):
    """You have no place in this waiting room. Join it first."""

    code = "no_place"


class WaitingRoomEnded(Refusal):
    """This waiting room has ended: nothing more is sold here. Look for something else."""

    code = "waiting_room_ended"
    status = 409


class TooManyJoins(Refusal):
    """You have had {joins} turns in this waiting room, and {joins_max} is the most."""

    code = "too_many_joins"
    status = 409
