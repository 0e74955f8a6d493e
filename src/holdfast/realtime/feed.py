"""The feed: the event log, followed by this process, said in the rooms of this process."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec
import psycopg
import structlog
from engineio.packet import Packet

from holdfast.auth.events import LoginRevoked
from holdfast.common.errors import Overloaded
from holdfast.common.wire import encode_hook
from holdfast.database import Database
from holdfast.database.retries import ConnectionLost
from holdfast.events import LogPosition, Recorded
from holdfast.events.consumers import end_of_log, read_on, tail
from holdfast.realtime import repository
from holdfast.realtime.clients import Client, event_packet
from holdfast.realtime.handlers import SAID, Announcements, session_of
from holdfast.realtime.messages import Said
from holdfast.realtime.repository import Whereabouts
from holdfast.realtime.rooms import Members
from holdfast.sessions.events import SessionEvent
from holdfast.sessions.models import SessionId

POLL_S = 0.05
FAILURE_WAIT_S = 1.0
SESSIONS_KNOWN_MAX = 5_000
REPLAYED_MAX = 200
"""Missed messages that are sent again; with more, reading the state over HTTP is cheaper for both sides."""
LOOKED_THROUGH_MAX = 5_000
"""Events of the log that are looked through for them."""
REPLAYS_AT_ONCE = 2
"""A restart makes everybody come back at once; they must not take all connections to the database."""
REPLAY_S_MAX = 5.0

_UNREADABLE = (psycopg.Error, ConnectionLost, Overloaded)

log = structlog.get_logger("holdfast.realtime")
_encoder = msgspec.json.Encoder(enc_hook=encode_hook)


class Feed:
    """Says each event once, in log order, to everybody who is in one of its rooms.

    ``position`` is that of the last event said. Whoever is in a room gets all that is said there after it. ``on_revoked`` is called
    when access tokens count no longer.
    """

    def __init__(self, database: Database, members: Members, said: Announcements = SAID) -> None:
        self._database = database
        self._members = members
        self._said = said
        self.on_revoked: Callable[[LoginRevoked], None] = _ignore
        self._position: LogPosition | None = None
        self._sessions: dict[SessionId, Whereabouts] = {}
        self._replays = asyncio.Semaphore(REPLAYS_AT_ONCE)

    @property
    def is_ready(self) -> bool:
        """Whether the log has been reached."""
        return self._position is not None

    @property
    def position(self) -> LogPosition:
        """Raises Overloaded while the log has not been reached yet."""
        if self._position is None:
            raise Overloaded
        return self._position

    async def run(self) -> None:
        """Follow the log until cancelled."""
        while True:
            try:
                if self._position is None:
                    self._position = await end_of_log(self._database)
                async for recorded in tail(self._database, wait_s=POLL_S, after=self._position):
                    await self._get_to_know(recorded)
                    for each in recorded:
                        self._say(each)
                        self._position = each.at
                        await asyncio.sleep(0)
            except _UNREADABLE as error:
                log.warning("event_log_unreadable", reason=str(error))
            except Exception:
                log.exception("feed_failed")
            await asyncio.sleep(FAILURE_WAIT_S)

    async def replay(self, client: Client, room: str, after: LogPosition) -> bool:
        """Send a client what was said in a room after a place in the log, and let it in there without a gap.

        False where that is too much, too long ago, or of a log before this one: then it is let in and must read the state itself.
        """
        async with self._replays:
            # Outside while it catches up: what is said meanwhile would reach it before what was said earlier.
            self._members.leave(client, room)
            try:
                async with asyncio.timeout(REPLAY_S_MAX):
                    return await self._catch_up(client, room, after)
            except TimeoutError:
                return False
            finally:
                self._members.enter(client, room)

    async def _catch_up(self, client: Client, room: str, position: LogPosition) -> bool:
        if position.epoch != self.position.epoch:
            return False
        await self._reach(position)
        looked_through = sent = 0
        while position < self.position:
            recorded, end = await read_on(self._database, position)
            if end == position:
                break
            await self._get_to_know(recorded)
            looked_through += len(recorded)
            for each in recorded:
                if each.at > self.position:
                    # Not said yet, and the client will be in the room before it is: nothing is awaited in between.
                    return True
                for said in self._said.of(each, self._sessions):
                    if room in said.rooms:
                        sent += 1
                        if sent > REPLAYED_MAX:
                            return False
                        client.offer(_packet(said))
            if looked_through > LOOKED_THROUGH_MAX:
                return False
            position = end
        return True

    async def _reach(self, position: LogPosition) -> None:
        """Where this process is behind the one that the client comes from, wait until it has said what the client knows already."""
        while self.position < position:
            recorded, _ = await read_on(self._database, self.position)
            if not recorded or recorded[0].at > position:
                return
            await asyncio.sleep(POLL_S)

    def _say(self, recorded: Recorded) -> None:
        try:
            if isinstance(recorded.event, LoginRevoked):
                self.on_revoked(recorded.event)
            for said in self._said.of(recorded, self._sessions):
                members = self._members.of(said.rooms)
                if members:
                    _offer(_packet(said), members)
        except Exception:
            # One event that cannot be said must not keep the later ones from being said.
            log.exception("event_not_said", event_id=str(recorded.id), event_name=type(recorded.event).__name__)

    async def _get_to_know(self, recorded: Sequence[Recorded]) -> None:
        """Learn the routes and drivers of the sessions that these events are about."""
        if len(self._sessions) > SESSIONS_KNOWN_MAX:
            self._sessions.clear()
        for each in recorded:
            if isinstance(each.event, SessionEvent):
                event = each.event
                self._sessions[event.session_id] = Whereabouts(event.session_id, event.route_id, event.driver_id)
        unknown = {session_id for each in recorded if (session_id := session_of(each.event)) and session_id not in self._sessions}
        if unknown:
            async with self._database.reading() as tx:
                self._sessions |= await repository.whereabouts(tx, unknown)


def _offer(packet: Packet, members: Iterable[Client]) -> None:
    for client in members:
        try:
            client.offer(packet)
        except Exception:
            # What is wrong with one client is not the others' loss.
            log.exception("client_not_told")
            client.end()


def _ignore(_: LoginRevoked) -> None:
    """Until somebody wants to know."""


def _packet(said: Said) -> Packet:
    return event_packet(_encoder.encode((said.name, said.message)))
