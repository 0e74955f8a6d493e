"""Codes on their way through Apprise, to a service that is a web server of this test's own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from holdfast.auth import Code, CodeNotSent
from holdfast.common.language import Language
from holdfast.notifications.channels.sms import AppriseSender

# Apprise loads every plugin it has, some of which use what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

CODE = Code("+201001234567", "012345", timedelta(minutes=5), Language.EN)


class Service:
    """Takes messages by HTTP, and answers with a status."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.received: list[dict[str, str]] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        self.received.append(json.loads(await reader.readexactly(length)))
        writer.write(f"HTTP/1.1 {self.status} Whatever\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def _service(status: int = 200) -> AsyncIterator[Service]:
    service = Service(status)
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()


async def test_the_message_and_the_phone_reach_the_service() -> None:
    async with _service() as service:
        await AppriseSender(f"json://127.0.0.1:{service.port}/sms?:to={{phone}}").send(CODE)
    (message,) = service.received
    assert message["to"] == "+201001234567"
    assert message["message"] == CODE.text


@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_what_the_service_refuses_was_not_sent(status: int) -> None:
    async with _service(status) as service:
        with pytest.raises(CodeNotSent):
            await AppriseSender(f"json://127.0.0.1:{service.port}/sms?:to={{phone}}").send(CODE)


async def test_a_service_that_is_away_sends_nothing() -> None:
    with pytest.raises(CodeNotSent):
        await AppriseSender("json://127.0.0.1:1/sms?:to={phone}").send(CODE)


@pytest.mark.parametrize("url", ["", "json://127.0.0.1/sms", "nothing://x/{phone}", "twilio://{phone}", "not a url {phone}"])
def test_a_url_that_can_send_nothing_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="Apprise") as refusal:
        AppriseSender(url)
    assert not url or url not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "twilio://AC0123456789abcdef0123456789abcdef:0123456789abcdef0123456789abcdef@+12025550123/{phone}",
        "vonage://abcd1234:0123456789abcdef@12025550123/{phone}",
        "d7sms://token@{phone}",
    ],
)
def test_services_for_messages_know_the_phone(url: str) -> None:
    (service,) = list(AppriseSender(url)._service(CODE.phone))
    assert "201001234567" in str(vars(service)["targets"])
