"""Answers leave in one piece, in order and whole, whatever their length and whoever hangs up."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from holdfast.app.edge.corked import AT_ONCE_MAX, CorkedProtocol, CorkedTransport

LONG = 2_600_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says the path, in pieces; ``/long`` says much."""
    pieces = [b"x" * 10_000] * (LONG // 10_000) if scope["path"] == "/long" else [scope["path"].encode(), b" it ", b"was"]
    length = str(sum(map(len, pieces))).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    config = uvicorn.Config(app, http=CorkedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        await task


async def test_answers_come_whole_and_in_order_on_one_connection() -> None:
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n" % n for n in range(9)))
        for number in range(9):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(len("/0 it was")) == b"/%d it was" % number
        writer.write(b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"/last it was")
        writer.close()
        await writer.wait_closed()


async def test_a_long_answer_is_not_kept_back_and_whoever_hangs_up_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as port:
        for is_patient in (False, True):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /long HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            if is_patient:
                answer = await reader.read()
                assert len(answer.split(b"\r\n\r\n", 1)[1]) == LONG
                writer.close()
                await writer.wait_closed()
            else:
                writer.transport.abort()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


class Recorder:
    """A transport that writes down what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    get_extra_info = pause_reading = resume_reading = set_protocol = lambda *_: None


def corked() -> tuple[Recorder, CorkedTransport, list[Any]]:
    recorder, soon = Recorder(), []  # type: tuple[Recorder, list[Any]]
    return recorder, CorkedTransport(recorder, soon.append), soon  # type: ignore[arg-type]


def test_a_head_and_a_body_are_one_write() -> None:
    recorder, transport, soon = corked()
    transport.write(b"head ")
    transport.write(b"body")
    assert recorder.written == []
    (flush,) = soon
    flush()
    assert recorder.written == [b"head body"]
    flush()
    transport.write(b"next")
    assert len(soon) == 2


def test_no_more_is_kept_back_than_said() -> None:
    recorder, transport, _ = corked()
    transport.write(b"x" * AT_ONCE_MAX)
    assert recorder.written == []
    transport.write(b"y")
    assert recorder.written == [b"x" * AT_ONCE_MAX + b"y"]


def test_closing_sends_what_was_written_and_a_closed_transport_is_left_alone() -> None:
    recorder, transport, soon = corked()
    transport.write(b"bye")
    transport.close()
    assert (recorder.written, recorder.closed) == ([b"bye"], True)
    transport.write(b"late")
    soon[-1]()
    assert recorder.written == [b"bye"]
