"""A wire to PostgreSQL that can be cut: everything goes through this proxy until a test decides otherwise."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Cut:
    """Listens on loopback and passes bytes on to the server of a libpq URI, over a socket or TCP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._socket_directory = query.get("host", [""])[0]
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or int(query.get("port", ["5432"])[0])
        self._parts = parts
        self._loses_answers = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.url = ""

    def lose_answers(self) -> None:
        """From now on what the server says is thrown away, and the client's connection ends when it has said something."""
        self._loses_answers = True

    def heal(self) -> None:
        self._loses_answers = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        credentials = self._parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(self._parts._replace(netloc=f"{credentials}@127.0.0.1:{port}", query=""))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._socket_directory:
            upstream = await asyncio.open_unix_connection(f"{self._socket_directory}/.s.PGSQL.{self._port}")
        else:
            upstream = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, upstream[1]}
        for pump in (self._pump(reader, upstream[1], is_answer=False), self._pump(upstream[0], writer, is_answer=True)):
            task = asyncio.ensure_future(pump)
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(65536):
                if is_answer and self._loses_answers:
                    break
                writer.write(chunk)
                await writer.drain()
        writer.close()
