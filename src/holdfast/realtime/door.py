"""The door before the sockets: who is let in at all, how much they may send, and how long we wait for them to read."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from msgspec import Struct

from holdfast.realtime.clients import Allowance

ADMISSION_S_MAX = 10.0
"""From the opening of a connection until it has said who it is."""
SEND_S_MAX = 15.0
"""A client that does not read for so long is gone."""
CLOSE_S_MAX = 2.0

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION = "holdfast.connection"
"""Where a connection lies in its ASGI scope."""

_GONE: Event = {"type": "websocket.disconnect", "code": 1008}
# What clients have to say: that they close, that they are alive, and messages that connect, disconnect or carry an event.
_WHOLE = frozenset({"1", "3"})
_BEGINNINGS = ("40", "41", "42")

log = structlog.get_logger("holdfast.realtime")


class Limits(Struct, frozen=True):
    """What one client, one address and one process may take."""

    connections: int = 20_000
    connections_per_address: int = 500
    rooms_per_connection: int = 50
    message_bytes: int = 8_192
    messages_at_once: int = 200
    messages_per_second: float = 20
    wishes_at_once: int = 60
    wishes_per_second: float = 2


class Connection:
    """One WebSocket, between the web server and Engine.IO."""

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self._receive = receive
        self._send = send
        self._bytes_max = limits.message_bytes
        self._allowance = Allowance(limits.messages_at_once, limits.messages_per_second)
        self._ended = asyncio.get_running_loop().create_future()
        self._deadline = asyncio.get_running_loop().call_later(ADMISSION_S_MAX, self.end)

    def admit(self) -> None:
        """It has said who it is."""
        self._deadline.cancel()

    def end(self) -> None:
        """End it, without waiting: Engine.IO sees the client go."""
        self._deadline.cancel()
        if not self._ended.done():
            self._ended.set_result(None)

    async def receive(self) -> Event:
        """What the client sent, as long as it keeps to the limits; else it is gone."""
        if self._ended.done():
            return _GONE
        incoming = asyncio.ensure_future(self._receive())
        try:
            await asyncio.wait((incoming, self._ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not incoming.done():
                incoming.cancel()
        if not incoming.done() or incoming.cancelled():
            return _GONE
        event = incoming.result()
        if event["type"] == "websocket.receive" and not self._is_fit(event.get("text")):
            self.end()
            return _GONE
        return event

    async def send(self, event: Event) -> None:
        """Raises TimeoutError where the client does not read, ConnectionError where it is gone."""
        if event["type"] == "websocket.send":
            if self._ended.done():
                raise ConnectionError("the connection has ended")
            try:
                async with asyncio.timeout(SEND_S_MAX):
                    await self._send(event)
            except TimeoutError:
                self.end()
                raise
            return
        async with asyncio.timeout(CLOSE_S_MAX):
            await self._send(event)

    def _is_fit(self, text: str | None) -> bool:
        if text is None or len(text) > self._bytes_max or not self._allowance.take():
            return False
        return text in _WHOLE or text.startswith(_BEGINNINGS)


class Door:
    """The ASGI application at ``/socket.io``: lets WebSockets through to Engine.IO, within limits."""

    def __init__(self, inner: Application, *, limits: Limits, address_of: Callable[[Scope], str], origins: Collection[str]) -> None:
        """``origins`` may open sockets from a browser besides the host itself, such as ``https://example.org``."""
        self._inner = inner
        self._limits = limits
        self._address_of = address_of
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._by_address: Counter[str] = Counter()
        self.connections = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._inner(scope, receive, send)
            return
        if not self._is_origin_allowed(scope):
            await _deny(scope, receive, send, 403, "origin_not_allowed", "Pages of this origin may not open sockets here.")
            return
        address = self._address_of(scope)
        if self._by_address[address] >= self._limits.connections_per_address or self.connections >= self._limits.connections:
            await _deny(scope, receive, send, 429, "too_many_connections", "Too many sockets are open. Close some and try again.")
            return
        self.connections += 1
        self._by_address[address] += 1
        connection = Connection(receive, send, self._limits)
        try:
            await self._inner({**scope, CONNECTION: connection}, connection.receive, connection.send)
        except (TimeoutError, ConnectionError):
            log.debug("socket_gone")
        finally:
            connection.end()
            self.connections -= 1
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _is_origin_allowed(self, scope: Scope) -> bool:
        """Programs send no origin; browsers always do, and pages of others must not listen with somebody's sign-in."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1").lower()
        host = headers.get(b"host", b"").decode("latin-1").lower()
        return not origin or origin in self._origins or urlsplit(origin).netloc == host


async def _deny(scope: Scope, receive: Receive, send: Send, status: int, code: str, detail: str) -> None:
    await receive()
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return
    body = msgspec.json.encode({"type": f"urn:holdfast:problem:{code}", "status": status, "code": code, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
