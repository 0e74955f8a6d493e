"""The ways in which a socket's wish is refused."""

from holdfast.common.errors import NotAllowed, NotFound, Refusal


class RoomUnknown(NotFound):
    """There is no such room. Rooms are called session:{{id}}, waiting:{{id}}, route:{{id}}, driver:{{id}}, user:{{id}} and admin."""

    code = "room_unknown"


class RoomNotYours(NotAllowed):
    """This room is someone else's. Sign in as its owner, with the access token in auth."""

    code = "room_not_yours"


class TooManyRooms(Refusal):
    """One connection can be in {rooms_max} rooms at a time. Leave one first."""

    code = "too_many_rooms"
    status = 409


class TooFast(Refusal):
    """You are asking for too much at once. Wait a moment and ask again."""

    code = "too_fast"
    status = 429
    retry_after = 1


class WishUnknown(Refusal):
    """There is nothing of this name to ask for. Send join, leave, sync or renew."""

    code = "event_unknown"
    status = 404
