"""The client of the simulation, against a server that behaves badly on purpose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from holdfast.app.simulate.wire import Unanswered, Wire

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[str]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listening = await asyncio.start_server(closing, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The first line and the body. Raises asyncio.IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
    return head.split(b"\r\n")[0], await reader.readexactly(length)


async def test_connections_are_used_again() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            try:
                line, body = await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            content = line + b" " + body
            writer.write(b"HTTP/1.1 200 OK\r\nX-Side: B\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))

    async with server(talk) as url:
        wire = Wire(url)
        for number in range(3):
            answer = await wire.send("POST", f"/{number}", {}, b"hello")
            assert (answer.status, answer.headers["x-side"], answer.body) == (200, "B", b"POST /%d HTTP/1.1 hello" % number)
        await wire.close()
    assert connections == 1


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 503 Busy\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        await writer.drain()

    async with server(talk) as url:
        wire = Wire(url)
        for _ in range(2):
            answer = await wire.send("GET", "/", {})
            assert (answer.status, answer.body) == (503, b"abcde")


async def test_hanging_up_sends_the_whole_request_first() -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result((await read_request(reader))[1])

    async with server(talk) as url:
        with pytest.raises(Unanswered):
            await Wire(url).send("POST", "/", {}, b"x" * 1000, hang_up=True)
        assert await asyncio.wait_for(received, 5) == b"x" * 1000


async def test_no_answer_is_never_taken_for_one() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nhalf of it")
        await writer.drain()

    async with server(talk) as url:
        with pytest.raises(Unanswered):
            await Wire(url).send("POST", "/", {})
    with pytest.raises(Unanswered):
        await Wire(url).send("POST", "/", {})
