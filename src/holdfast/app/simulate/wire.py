"""A thin HTTP/1.1 client, because the generator of the load shares the machine with what it loads, and must be able to hang up.

Connections are kept and used again. Nothing is ever repeated here: whoever asked decides what to do about a missing answer.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import msgspec
from msgspec import Struct

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0


class Unanswered(Exception):
    """No answer came. Whether the request was carried out is not known."""


class Answer(Struct, frozen=True):
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of statuses itself.

    @property
    def code(self) -> str:
        """The stable word of a problem; empty where the answer is none."""
        with contextlib.suppress(msgspec.MsgspecError):
            return str(msgspec.json.decode(self.body, type=dict[str, Any]).get("code", ""))
        return ""

    def json(self) -> Any:
        """Raises msgspec's DecodeError."""
        return msgspec.json.decode(self.body)


class Wire:
    """Connections to one server."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._port = parts.port or 80
        self._prefix = parts.path.rstrip("/")
        self._idle: list[_Connection] = []

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, hang_up: bool = False) -> Answer:
        """Ask, and wait for the answer; ``hang_up`` does not wait but cuts the connection as soon as the request is sent.

        Raises Unanswered.
        """
        connection = await self._connection()
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", f"host: {self._host}:{self._port}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        message = "\r\n".join([*lines, "", ""]).encode() + body
        if hang_up:
            connection.send(message)
            connection.close()
            raise Unanswered("hung up")
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer = await connection.ask(message)
        except TimeoutError as error:
            raise Unanswered("timed out") from error
        finally:
            # Whoever is cancelled leaves a connection on which an answer is still to come.
            if not connection.is_free:
                connection.close()
        if connection.is_open:
            self._idle.append(connection)
        return answer

    async def close(self) -> None:
        """Close every connection that is not in use."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise Unanswered(f"no connection: {type(error).__name__}") from error
        return made


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._keeps_alive = True

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self._keeps_alive

    @property
    def is_free(self) -> bool:
        return self._asked is None

    def send(self, message: bytes) -> None:
        assert self._transport is not None
        self._transport.write(message)

    async def ask(self, message: bytes) -> Answer:
        self._asked = asyncio.get_running_loop().create_future()
        self.send(message)
        return await self._asked

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keeps_alive = False
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(Unanswered("the connection broke"))
        self._asked = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    # What httptools calls.

    def on_message_begin(self) -> None:
        self._headers = {}
        self._body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._keeps_alive = self._parser.should_keep_alive()
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body))
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(answer)
        self._asked = None
        self._parser = httptools.HttpResponseParser(self)
