"""Rooms: what they are called, who may be in them, and who is."""

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Self
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import Actor, UserId
from holdfast.common.errors import NotFound
from holdfast.common.ids import Id
from holdfast.realtime.clients import Client
from holdfast.realtime.errors import RoomNotYours, RoomUnknown
from holdfast.routes.models import RouteId
from holdfast.sessions.models import SessionId


class RoomKind(StrEnum):
    SESSION = "session"
    ROUTE = "route"
    WAITING = "waiting"
    DRIVER = "driver"
    USER = "user"
    ADMIN = "admin"


PUBLIC = frozenset({RoomKind.SESSION, RoomKind.ROUTE, RoomKind.WAITING})
"""Anyone may watch these, so they carry counts and states, never people."""

_ID_OF: dict[RoomKind, type[Id]] = {
    RoomKind.SESSION: SessionId,
    RoomKind.ROUTE: RouteId,
    RoomKind.WAITING: SessionId,
    RoomKind.DRIVER: UserId,
    RoomKind.USER: UserId,
}

ADMIN_ROOM = "admin"
NAMES_MAX = 10_000
"""Names of rooms that are remembered: the same few are written again and again."""


class Room(Struct, frozen=True):
    """A room that somebody asks for."""

    name: str
    kind: RoomKind
    id: UUID | None = None

    @classmethod
    def parse(cls, name: str) -> Self:
        """Raises RoomUnknown."""
        word, _, text = name.partition(":")
        try:
            kind = RoomKind(word)
            if kind is RoomKind.ADMIN:
                if name != ADMIN_ROOM:
                    raise RoomUnknown
                return cls(name, kind)
            return cls(name, kind, _ID_OF[kind].parse(text))
        except (ValueError, NotFound):
            raise RoomUnknown from None

    def admit(self, actor: Actor | None) -> None:
        """Let somebody in; None is a person who did not sign in. Raises RoomNotYours."""
        if self.kind in PUBLIC:
            return
        if actor is None or not (actor.is_admin if self.kind is RoomKind.ADMIN else actor.id == self.id):
            raise RoomNotYours


@lru_cache(NAMES_MAX)
def session_room(session_id: UUID) -> str:
    return f"{RoomKind.SESSION}:{SessionId.of(session_id)}"


@lru_cache(NAMES_MAX)
def route_room(route_id: RouteId) -> str:
    return f"{RoomKind.ROUTE}:{route_id}"


@lru_cache(NAMES_MAX)
def waiting_room(session_id: UUID) -> str:
    return f"{RoomKind.WAITING}:{SessionId.of(session_id)}"


@lru_cache(NAMES_MAX)
def driver_room(driver_id: UUID) -> str:
    return f"{RoomKind.DRIVER}:{UserId.of(driver_id)}"


@lru_cache(NAMES_MAX)
def user_room(user_id: UserId) -> str:
    return f"{RoomKind.USER}:{user_id}"


class Members:
    """Who is in which room, in this process. Python-socketio's own rooms look at every room whenever somebody leaves."""

    def __init__(self) -> None:
        self._by_room: dict[str, set[Client]] = {}

    def enter(self, client: Client, room: str) -> None:
        self._by_room.setdefault(room, set()).add(client)
        client.rooms.add(room)

    def leave(self, client: Client, room: str) -> None:
        client.rooms.discard(room)
        members = self._by_room.get(room)
        if members is not None:
            members.discard(client)
            if not members:
                del self._by_room[room]

    def leave_all(self, client: Client) -> None:
        for room in tuple(client.rooms):
            self.leave(client, room)

    def of(self, rooms: Iterable[str]) -> set[Client]:
        """Everybody who is in at least one of these rooms."""
        found: set[Client] = set()
        for room in rooms:
            found |= self._by_room.get(room, frozenset())
        return found
