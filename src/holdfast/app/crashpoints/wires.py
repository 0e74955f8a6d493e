"""The wires between a process of the program and those with whom it talks: PostgreSQL, and the gateway.

Each exchange, a message and its answer, passes through the knife of the trial that runs. The program and the server notice nothing of
it: what they send arrives as it was sent, or not at all.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from holdfast.app.crashpoints.cuts import CutOff, Knife
from holdfast.app.embedded.home import SOCKET
from holdfast.database.queries import read_queries

PACKAGE = Path(__file__).parents[2]
_PARAMETER = re.compile(r"%\(\w+\)s|\$\d+")
_WORDS_SHOWN = 4
_CANCEL = 80877102
_LENGTH = 4
_READY, _AUTHENTICATION, _ERROR = b"Z", b"R", b"E"
# What ends the answer to each statement: done, there was none, there is more.
_STATEMENT_ENDS = (b"C", b"I", b"s")
# After these of PostgreSQL's kinds of authentication the server says more by itself.
_NOTHING_TO_SAY = (0, 12)
_BEGIN, _COMMIT = "BEGIN", "COMMIT"
# What psycopg and SQLAlchemy say when a connection is opened.
_OPENING = re.compile(
    r"SET transaction_timeout|select pg_catalog\.version|select current_schema|show |SAVEPOINT|RELEASE|SELECT typname", re.IGNORECASE
)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Wires:
    """The wires of one stand. ``knife`` is that of the trial which runs on it."""

    def __init__(self, server_socket: Path) -> None:
        """``server_socket``: where PostgreSQL listens."""
        self.knife = Knife()
        self.gateway: tuple[str, int] = ("127.0.0.1", 1)
        """Where the sandbox of this trial listens."""
        self._server_socket = server_socket
        self._open: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def connected(self, sockets: Path, gateway_listener: socket.socket) -> AsyncIterator[None]:
        """Listen for the program, until the block ends: as PostgreSQL in ``sockets``, and as the gateway."""
        database = await asyncio.start_unix_server(self._serving(self._database), sockets / SOCKET)
        gateway = await asyncio.start_server(self._serving(self._gateway), sock=gateway_listener)
        try:
            yield
        finally:
            for server in (database, gateway):
                server.close()
            await self.hang_up()

    async def hang_up(self) -> None:
        """End every connection."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _serving(self, serve: Serve) -> Serve:
        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._open.add(task)
            try:
                with suppress(CutOff, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                self._open.discard(task)
                writer.close()

        return one

    async def _database(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_socket)
        try:
            await _Session(self.knife, reader, writer, server_reader, server_writer).run()
        finally:
            server_writer.close()

    async def _gateway(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await _read_http(reader):
            line = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")

            async def ask(request: bytes = request) -> bytes:
                server_reader, server_writer = await asyncio.open_connection(*self.gateway)
                try:
                    server_writer.write(request)
                    return await _read_http(server_reader)
                finally:
                    server_writer.close()

            async def gives_up() -> None:
                # The program has a deadline of its own for a call, and ends the connection then.
                await reader.read(1)

            what = f"{line[0]} {_without_ids(line[1])}"
            writer.write(await self.knife.exchange(what, ask, is_call=True, gives_up=gives_up))
            await writer.drain()


class _Session:
    """One connection to PostgreSQL, as its protocol has it: opened, and then one exchange after the other."""

    def __init__(
        self,
        knife: Knife,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._knife = knife
        self._reader, self._writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer
        self._prepared: dict[bytes, str] = {}
        self._has_said_something = False
        self._is_late = False

    async def run(self) -> None:
        if not await self._opened():
            return
        unasked = asyncio.ensure_future(_read_message(self._server_reader))
        try:
            while True:
                asked = asyncio.ensure_future(self._read_round())
                try:
                    await asyncio.wait({asked, unasked}, return_when=asyncio.FIRST_COMPLETED)
                    while unasked.done():
                        # The server says something by itself: mostly that it ends this connection.
                        self._writer.write(b"".join(unasked.result()))
                        unasked = asyncio.ensure_future(_read_message(self._server_reader))
                        await asyncio.wait({asked, unasked}, return_when=asyncio.FIRST_COMPLETED)
                    sent = asked.result()
                finally:
                    asked.cancel()
                if sent.is_flushed and not sent.what:
                    # Everything was answered already.
                    self._server_writer.write(sent.sent)
                    continue
                self._writer.write(await self._exchange(sent, unasked))
                await self._writer.drain()
                if self._is_late:
                    return
                unasked = asyncio.ensure_future(_read_message(self._server_reader))
        finally:
            unasked.cancel()
            # What is read is of no use, and neither is why it could not be.
            await asyncio.gather(unasked, return_exceptions=True)

    async def _opened(self) -> bool:
        length = await self._reader.readexactly(_LENGTH)
        rest = await self._reader.readexactly(int.from_bytes(length) - _LENGTH)
        self._server_writer.write(length + rest)
        if int.from_bytes(rest[:4]) == _CANCEL:
            await self._server_reader.read()
            return False
        while True:
            kind, body = await _read_message(self._server_reader)
            self._writer.write(kind + body)
            if kind == _READY:
                return True
            if kind == _AUTHENTICATION and int.from_bytes(body[4:8]) not in _NOTHING_TO_SAY:
                self._server_writer.write(b"".join(await _read_message(self._reader)))

    async def _read_round(self) -> "_Round":
        """All that is sent until an answer is due."""
        round_ = _Round()
        while True:
            kind, body = await _read_message(self._reader)
            round_.sent += kind + body
            match kind:
                case b"Q":
                    round_.what.append(_text(body[4:]))
                    return round_
                case b"P":
                    name, text = body[4:].split(b"\0")[:2]
                    self._prepared[name] = _text(text)
                case b"B":
                    _, name, *_ = body[4:].split(b"\0", 2)
                    round_.what.append(self._prepared[name])
                case b"S":
                    return round_
                case b"H":
                    round_.is_flushed = True
                    return round_
                case b"X":
                    raise CutOff

    async def _exchange(self, round_: "_Round", first: "asyncio.Future[tuple[bytes, bytes]]") -> bytes:
        async def ask() -> bytes:
            self._server_writer.write(round_.sent)
            kind, body = await first
            answer = kind + body
            left = len(round_.what) - (kind in _STATEMENT_ENDS)
            # Asked to say what it has, the server does not say that it is ready; after an error it says nothing more.
            while kind != _READY and not (round_.is_flushed and (kind == _ERROR or not left)):
                kind, body = await _read_message(self._server_reader)
                answer += kind + body
                left -= kind in _STATEMENT_ENDS
            return answer

        async def gives_up() -> None:
            await self._knife.given_up.wait()
            # The server does not let a transaction hang for longer than 10 s either: by now it has ended this connection.
            self._is_late = True
            self._server_writer.close()

        names = " + ".join(_name_of(text) for text in round_.what)
        if not self._counts(names):
            return await ask()
        return await self._knife.exchange(names, ask, is_call=False, gives_up=gives_up)

    def _counts(self, names: str) -> bool:
        """Whether something can be cut here: until the first statement of a transaction there is nothing to lose."""
        if names == _BEGIN or not names:
            self._has_said_something = False
            return False
        if names == _COMMIT or names.startswith("ROLLBACK"):
            return self._has_said_something
        self._has_said_something |= not _OPENING.match(names)
        return self._has_said_something


@dataclass
class _Round:
    """What is sent together, and the statements in it. ``is_flushed``: an answer is wanted before all is said."""

    what: list[str] = field(default_factory=list)
    sent: bytes = b""
    is_flushed: bool = False


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The kind of a message, and its length with its body."""
    head = await reader.readexactly(1 + _LENGTH)
    return head[:1], head[1:] + await reader.readexactly(int.from_bytes(head[1:]) - _LENGTH)


async def _read_http(reader: asyncio.StreamReader) -> bytes:
    """A message whose headers say how long it is; nothing at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length else b"")


def _text(sent: bytes) -> str:
    return sent.split(b"\0", 1)[0].decode()


def _without_ids(path: str) -> str:
    return re.sub(r"[a-z]+_[0-9a-z]{26}", "{id}", path)


def _name_of(text: str) -> str:
    """A statement as it is called in our ``queries.sql``, or its first words."""
    return _names().get(_skeleton(text)) or " ".join(text.split()[:_WORDS_SHOWN])


@cache
def _names() -> dict[str, str]:
    return {
        _skeleton(query.text.replace("%%", "%")): f"{file.parent.name}.{query.name}"
        for file in sorted(PACKAGE.rglob("queries.sql"))
        for query in read_queries(file.read_text(encoding="utf-8")).values()
    }


def _skeleton(text: str) -> str:
    return " ".join(_PARAMETER.sub("?", text).split())
