"""The Socket.IO server: signing in, and what clients may ask for. Says nothing itself; that is the feed's."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import msgspec
import psycopg
import socketio
import structlog
from msgspec import Struct

from holdfast.auth.events import LoginRevoked
from holdfast.auth.models import SignedIn
from holdfast.common.errors import Invalid, NotSignedIn, Overloaded, Refusal
from holdfast.common.wire import encode_hook
from holdfast.database.retries import ConnectionLost
from holdfast.events import LogPosition
from holdfast.realtime import dto
from holdfast.realtime.clients import Allowance, Client, event_packet
from holdfast.realtime.door import CONNECTION, Connection, Door, Limits, Scope
from holdfast.realtime.errors import RoomNotYours, TooFast, TooManyRooms, WishUnknown
from holdfast.realtime.feed import Feed
from holdfast.realtime.rooms import Members, Room

PING_INTERVAL_S = 25
PING_TIMEOUT_S = 20
RECHECK_S = 30.0
"""How long an expired access token can still listen. One that is revoked stops at once."""
SYNC_COST = 5

SignInOf = Callable[[str], Awaitable[SignedIn]]
"""The sign-in that an access token belongs to. Raises NotSignedIn where it belongs to none, any more."""

W = TypeVar("W", bound=Struct)
Answer = dict[str, object]

log = structlog.get_logger("holdfast.realtime")
# What clients send wrongly is theirs to see, not ours to log.
_quiet = logging.getLogger("holdfast.realtime.socketio")
_quiet.setLevel(logging.CRITICAL)


class SocketServer:
    """Clients come in through ``app``, the ASGI application at ``/socket.io``."""

    def __init__(
        self,
        sign_in_of: SignInOf,
        feed: Feed,
        members: Members,
        *,
        limits: Limits,
        address_of: Callable[[Scope], str],
        origins: Collection[str],
        recheck_s: float = RECHECK_S,
    ) -> None:
        self._sign_in_of = sign_in_of
        self._feed = feed
        self._members = members
        self._limits = limits
        self._recheck_s = recheck_s
        self._clients: dict[str, Client] = {}
        feed.has_listeners = lambda: bool(self._clients)
        self._io = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,
            transports=["websocket"],
            # The door looks at origins, where it can answer with a status.
            cors_allowed_origins=[],
            max_http_buffer_size=limits.message_bytes,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            logger=_quiet,
            engineio_logger=_quiet,
        )
        feed.on_revoked = self._revoke
        self._io.on("connect", self._connect)
        self._io.on("disconnect", self._disconnect)
        self._io.on("join", self._answering(dto.JoinRequest, self._join))
        self._io.on("leave", self._answering(dto.LeaveRequest, self._leave))
        self._io.on("sync", self._answering(dto.SyncRequest, self._sync))
        self._io.on("renew", self._answering(dto.RenewRequest, self._renew))
        self._io.on("*", self._unknown)
        self.app = Door(self._io.handle_request, limits=limits, address_of=address_of, origins=origins)

    async def run(self) -> None:
        """End private rooms with the sign-ins that opened them, until cancelled."""
        try:
            while True:
                await asyncio.sleep(self._recheck_s)
                for client in tuple(self._clients.values()):
                    await self._recheck(client)
        finally:
            await self._io.shutdown()

    async def _connect(self, sid: str, environ: Any, auth: object = None) -> None:
        if sid in self._clients:
            return  # Python-socketio lets a client send an event of this name.
        connection: Connection = environ["asgi.scope"][CONNECTION]
        try:
            token = _read(auth or {}, dto.SignIn).token
            actor = None if token is None else await self._sign_in_of(token)
        except Refusal as refusal:
            raise _shut(refusal) from None
        except (psycopg.Error, ConnectionLost):
            raise _shut(Overloaded()) from None
        socket = self._io.eio.sockets[self._io.manager.eio_sid_from_sid(sid, "/")]
        wishes = Allowance(self._limits.wishes_at_once, self._limits.wishes_per_second)
        self._clients[sid] = Client(sid, socket, connection.end, actor=actor, token=token, wishes=wishes)
        connection.admit()

    async def _disconnect(self, sid: str, *_: object) -> None:
        client = self._clients.pop(sid, None)
        if client is not None:
            self._members.leave_all(client)
            client.end()

    async def _join(self, client: Client, request: dto.JoinRequest) -> dto.Joined:
        """Enter a room. Raises RoomUnknown, RoomNotYours, TooManyRooms."""
        room = self._admitted(client, request.room)
        sequence = str(self._feed.position)
        self._members.enter(client, room)
        return dto.Joined(room, sequence)

    async def _leave(self, client: Client, request: dto.LeaveRequest) -> dto.Left:
        self._members.leave(client, request.room)
        return dto.Left(request.room)

    async def _sync(self, client: Client, request: dto.SyncRequest) -> dto.Synced:
        """Enter a room, as ``join`` does, after being sent what was said there since ``after``."""
        if not client.wishes.take(SYNC_COST):
            raise TooFast
        room = self._admitted(client, request.room)
        try:
            after = LogPosition.parse(request.after)
        except ValueError:
            raise Invalid(("after", "Send the sequence of a message, unchanged.")) from None
        complete = await self._feed.replay(client, room, after)
        if client.sid not in self._clients or not self._may_stay(client, room):
            self._members.leave(client, room)
            raise RoomNotYours
        return dto.Synced(room, str(self._feed.position), not complete)

    async def _renew(self, client: Client, request: dto.RenewRequest) -> dto.Renewed:
        """Go on with a fresh token, of the same person or another. Raises NotSignedIn, and then nothing changes."""
        actor = await self._sign_in_of(request.token)
        client.actor, client.token = actor, request.token
        self._leave_forbidden(client)
        return dto.Renewed(str(actor.id))

    async def _unknown(self, event: str, sid: str, *_: object) -> Answer:
        return _refused(WishUnknown())

    async def _recheck(self, client: Client) -> None:
        """See whether a sign-in still holds; when the database cannot say, it does."""
        token = client.token
        if token is None:
            return
        try:
            actor = await self._sign_in_of(token)
        except NotSignedIn:
            actor = None
        except (Refusal, psycopg.Error, ConnectionLost):
            return
        if client.token == token:
            client.actor, client.token = actor, token if actor else None
            self._leave_forbidden(client)

    def _revoke(self, revoked: LoginRevoked) -> None:
        for client in self._clients.values():
            actor = client.actor
            if actor is not None and actor.login_id == revoked.login_id and actor.generation < revoked.version:
                client.actor = client.token = None
                self._leave_forbidden(client)

    def _leave_forbidden(self, client: Client) -> None:
        left = [room for room in sorted(client.rooms) if not self._may_stay(client, room)]
        for room in left:
            self._members.leave(client, room)
        if client.actor is None:
            client.offer(event_packet(msgspec.json.encode(("signin.ended", dto.SignInEnded(left)))))

    def _may_stay(self, client: Client, room: str) -> bool:
        try:
            Room.parse(room).admit(client.actor)
        except RoomNotYours:
            return False
        return True

    def _admitted(self, client: Client, name: str) -> str:
        room = Room.parse(name)
        room.admit(client.actor)
        if name not in client.rooms and len(client.rooms) >= self._limits.rooms_per_connection:
            raise TooManyRooms(rooms_max=self._limits.rooms_per_connection)
        return room.name

    def _answering(self, wanted: type[W], act: Callable[[Client, W], Awaitable[Struct]]) -> Callable[..., Awaitable[Answer | None]]:
        """A handler that reads the request, does what is asked, and answers with what came of it or with why not."""

        async def answer(sid: str, *arguments: object) -> Answer | None:
            client = self._clients.get(sid)
            if client is None:
                return None
            try:
                if not client.wishes.take():
                    raise TooFast
                request = _read(arguments[0] if arguments else {}, wanted)
                found = await act(client, request)
            except Refusal as refusal:
                return _refused(refusal)
            except (psycopg.Error, ConnectionLost):
                return _refused(Overloaded())
            except Exception:
                log.exception("wish_failed", wish=wanted.__name__)
                return {"ok": False, "code": "internal", "message": "Something went wrong on our side. It is logged; try again."}
            return {"ok": True, **msgspec.to_builtins(found)}

        return answer


def _read(value: object, wanted: type[W]) -> W:
    """Raises Invalid."""
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise Invalid(("", str(error))) from None


def _shut(refusal: Refusal) -> Exception:
    shut: Exception = socketio.exceptions.ConnectionRefusedError(refusal.message, _refused(refusal))
    return shut


def _refused(refusal: Refusal) -> Answer:
    facts: Answer = msgspec.to_builtins(refusal.facts, enc_hook=encode_hook)
    answer: Answer = {"ok": False, "code": refusal.code, "message": refusal.message, **facts}
    if refusal.retry_after is not None:
        answer["retryAfter"] = refusal.retry_after
    return answer
