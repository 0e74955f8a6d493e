"""One connection, from the moment it is let in until it ends."""

import time
from collections.abc import Callable
from typing import Any

from engineio.packet import MESSAGE, Packet

from holdfast.auth.models import SignedIn

BACKLOG_MAX = 500
"""Messages that may wait for a client which reads slowly. With one more it is disconnected, and can come back and sync."""

_EVENT = "2"  # The type of Socket.IO packet, before its JSON.


class Allowance:
    """So many wishes at once, and so many more each second."""

    __slots__ = ("_at", "_clock", "_left", "_most", "_per_second")

    def __init__(self, most: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._per_second = per_second
        self._clock = clock
        self._left = most
        self._at = clock()

    def take(self, cost: float = 1) -> bool:
        """Whether that much was left."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True


class Client:
    """Somebody who is connected. ``actor`` is None until they sign in, and again when their sign-in ends."""

    __slots__ = ("_end", "_socket", "actor", "rooms", "sid", "token", "wishes")

    def __init__(
        self, sid: str, socket: Any, end: Callable[[], None], *, actor: SignedIn | None, token: str | None, wishes: Allowance
    ) -> None:
        """``socket`` is the Engine.IO socket; ``end`` ends the connection."""
        self.sid = sid
        self.actor = actor
        self.token = token
        self.rooms: set[str] = set()
        self.wishes = wishes
        self._socket = socket
        self._end = end

    def offer(self, packet: Packet) -> bool:
        """Queue a message without waiting. False where the client is gone, or so slow that it is now disconnected."""
        if self._socket.closed:
            return False
        if self._socket.queue.qsize() >= BACKLOG_MAX:
            self.end()
            return False
        self._socket.queue.put_nowait(packet)
        return True

    def end(self) -> None:
        """Disconnect, without waiting for it."""
        self._end()


def event_packet(content: bytes) -> Packet:
    """A Socket.IO event of the main namespace, encoded once for everybody: ``content`` is the JSON array of name and body."""
    return Packet(MESSAGE, data=_EVENT + content.decode())
