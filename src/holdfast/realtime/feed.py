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
from holdfast.events.models import START_OF_LOG
from holdfast.realtime import repository
from holdfast.realtime.clients import Client, event_packet
from holdfast.realtime.handlers import SAID, Announcements, session_of
from holdfast.realtime.messages import Said
from holdfast.realtime.repository import Whereabouts
from holdfast.realtime.rooms import Members
from holdfast.realtime.window import Kept, Window
from holdfast.sessions.events import SessionEvent
from holdfast.sessions.models import SessionId

POLL_S = 0.05
FAILURE_WAIT_S = 1.0
SESSIONS_KNOWN_MAX = 5_000
REPLAYED_MAX = 200
"""Missed messages that are sent again; with more, reading the state over HTTP is cheaper for both sides."""
BATCHES_BACK_MAX = 10
"""How far back the log is read for somebody who comes from there."""
REPLAY_S_MAX = 5.0

_UNREADABLE = (psycopg.Error, ConnectionLost, Overloaded)

log = structlog.get_logger("holdfast.realtime")
_encoder = msgspec.json.Encoder(enc_hook=encode_hook)


class Feed:
    """Says each event once, in log order, to everybody who is in one of its rooms.

    ``position`` is that of the last event said. Whoever is in a room gets all that is said there after it. ``on_revoked`` is called
    when access tokens count no longer. While ``has_listeners`` says that nobody is connected, nothing is read.
    """

    def __init__(self, database: Database, members: Members, said: Announcements = SAID) -> None:
        self._database = database
        self._members = members
        self._said = said
        self.on_revoked: Callable[[LoginRevoked], None] = _ignore
        self.has_listeners: Callable[[], bool] = _always
        self._position: LogPosition | None = None
        self._sessions: dict[SessionId, Whereabouts] = {}
        self._recent = Window(START_OF_LOG)
        self._looking_back = asyncio.Lock()
        self._too_far = START_OF_LOG

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
                    self._recent = Window(self._position)
                await self._wait_for_listeners()
                async for recorded in tail(self._database, wait_s=POLL_S, after=self._position):
                    for each, where in await self._located(recorded):
                        self._say(each, where)
                        self._position = each.at
                        await asyncio.sleep(0)
                    if not self.has_listeners():
                        break
            except _UNREADABLE as error:
                log.warning("event_log_unreadable", reason=str(error))
            except Exception:
                log.exception("feed_failed")
            else:
                continue
            await asyncio.sleep(FAILURE_WAIT_S)

    async def _wait_for_listeners(self) -> None:
        """Stay at the end of the log until somebody connects: reading all that is sold takes a sixth of what selling it takes."""
        while not self.has_listeners():
            end = await end_of_log(self._database)
            # Who connected meanwhile was told the old place, and gets all that is said after it.
            if not self.has_listeners():
                self._position = end
                self._recent = Window(end)
                await asyncio.sleep(POLL_S)

    async def replay(self, client: Client, room: str, after: LogPosition) -> bool:
        """Send a client what was said in a room after a place in the log, and let it in there without a gap.

        False where that is too much, too long ago, or of a log before this one: then it is let in and must read the state itself.
        """
        # Outside while it catches up: what is said meanwhile would reach it before what was said earlier.
        self._members.leave(client, room)
        try:
            async with asyncio.timeout(REPLAY_S_MAX):
                return await self._catch_up(client, room, after)
        except TimeoutError:
            return False
        finally:
            self._members.enter(client, room)

    async def _catch_up(self, client: Client, room: str, after: LogPosition) -> bool:
        if after.epoch != self.position.epoch:
            return False
        await self._reach(after)
        if not await self._look_back(after):
            return False
        # From here on nothing is awaited until the client is in the room, so nothing is said in between.
        missed = [kept for kept in self._recent.after(after) if room in kept.rooms]
        if len(missed) > REPLAYED_MAX:
            return False
        for kept in missed:
            for said in self._said.of(kept.recorded, kept.where):
                if room in said.rooms:
                    client.offer(_packet(said))
        return True

    async def _look_back(self, after: LogPosition) -> bool:
        """Make the window reach back to a place in the log. False where that is too far.

        When a server starts, everybody comes back from about the same place: the first one has the log read, the others wait.
        """
        async with self._looking_back:
            if after >= self._recent.since:
                return True
            if after <= self._too_far:
                return False
            position, found = after, list[Kept]()
            for _ in range(BATCHES_BACK_MAX):
                recorded, end = await read_on(self._database, position)
                found += [_kept(each, where, said) for each, where in await self._located(recorded) if (said := self._words(each, where))]
                if end == position or end >= self._recent.since:
                    if self._recent.prepend(after, found):
                        return True
                    break
                position = end
            self._too_far = after
            return False

    async def _reach(self, position: LogPosition) -> None:
        """Where this process is behind the one that the client comes from, wait until it has said what the client knows already."""
        while self.position < position:
            recorded, _ = await read_on(self._database, self.position)
            if not recorded or recorded[0].at > position:
                return
            await asyncio.sleep(POLL_S)

    def _say(self, recorded: Recorded, where: Whereabouts | None) -> None:
        if isinstance(recorded.event, LoginRevoked):
            self.on_revoked(recorded.event)
        words = self._words(recorded, where)
        if words:
            self._recent.append(_kept(recorded, where, words))
        for said in words:
            members = self._members.of(said.rooms)
            if members:
                _offer(_packet(said), members)

    def _words(self, recorded: Recorded, where: Whereabouts | None) -> list[Said]:
        try:
            return self._said.of(recorded, where)
        except Exception:
            # One event that cannot be said must not keep the later ones from being said.
            log.exception("event_not_said", event_id=str(recorded.id), event_name=type(recorded.event).__name__)
            return []

    async def _located(self, recorded: Sequence[Recorded]) -> list[tuple[Recorded, Whereabouts | None]]:
        """Each event, with the route and the driver of the session that it is about."""
        for each in recorded:
            event = each.event
            if isinstance(event, SessionEvent):
                self._sessions[event.session_id] = Whereabouts(event.session_id, event.route_id, event.driver_id)
        wanted = [session_of(each.event) for each in recorded]
        unknown = {about for about in wanted if about and about not in self._sessions}
        if unknown:
            async with self._database.reading() as tx:
                self._sessions |= await repository.whereabouts(tx, unknown)
        located = [(each, self._sessions.get(about) if about else None) for each, about in zip(recorded, wanted, strict=True)]
        if len(self._sessions) > SESSIONS_KNOWN_MAX:
            self._sessions.clear()
        return located


def _offer(packet: Packet, members: Iterable[Client]) -> None:
    for client in members:
        try:
            client.offer(packet)
        except Exception:
            # What is wrong with one client is not the others' loss.
            log.exception("client_not_told")
            client.end()


def _always() -> bool:
    """Until somebody knows better."""
    return True


def _ignore(_: LoginRevoked) -> None:
    """Until somebody wants to know."""


def _kept(recorded: Recorded, where: Whereabouts | None, words: Iterable[Said]) -> Kept:
    return Kept(recorded, where, frozenset(room for said in words for room in said.rooms))


def _packet(said: Said) -> Packet:
    return event_packet(_encoder.encode((said.name, said.message)))
