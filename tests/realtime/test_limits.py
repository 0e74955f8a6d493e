"""What one client, one address and one page may take, and what happens to those who do not read."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from tests.realtime.conftest import Listener, Square, until
from tests.realtime.test_order import PERSON, ROOM, listener_in_room, news

from holdfast.realtime import clients, door
from holdfast.realtime.clients import Allowance, event_packet
from holdfast.realtime.door import Limits
from holdfast.sessions.models import SessionId

OPEN = "0"
PATH = "/socket.io/?EIO=4&transport=websocket"


@asynccontextmanager
async def raw_socket(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket without any manners."""
    async with aiohttp.ClientSession() as http, http.ws_connect(url + PATH, autoping=False) as opened:
        yield opened


async def until_closed(opened: aiohttp.ClientWebSocketResponse) -> None:
    """Read until the server has had enough."""
    async with asyncio.timeout(20):
        while not opened.closed:
            message = await opened.receive()
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR):
                return


async def until_answered_or_closed(opened: aiohttp.ClientWebSocketResponse) -> None:
    async with asyncio.timeout(20):
        while True:
            message = await opened.receive()
            if message.type is not aiohttp.WSMsgType.TEXT or '"ok":true' in message.data:
                return


async def test_so_many_connections_from_one_address_and_room_again_when_one_ends(square: Square) -> None:
    other = await square.another(limits=Limits(connections_per_address=2))
    first, second, third = Listener(), Listener(), Listener()
    await first.connect(other.url)
    await second.connect(other.url)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(other.url + PATH)
    assert refused.value.status == 429
    await first.close()
    await until(lambda: other.realtime.app.connections == 1)
    await third.connect(other.url)
    await asyncio.gather(second.close(), third.close())
    await until(lambda: other.realtime.app.connections == 0)


async def test_addresses_are_counted_apart_and_all_together(square: Square) -> None:
    addresses = iter(["1.1.1.1", "2.2.2.2", "3.3.3.3"])
    limits = Limits(connections=2, connections_per_address=1)
    other = await square.another(limits=limits, address_of=lambda _: next(addresses))
    first, second = Listener(), Listener()
    await first.connect(other.url)
    await second.connect(other.url)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(other.url + PATH)
    await asyncio.gather(first.close(), second.close())


async def test_pages_of_other_origins_open_no_sockets(square: Square) -> None:
    other = await square.another(origins=["https://app.example/"])
    host = other.url.removeprefix("http://")
    async with aiohttp.ClientSession() as http:
        for origin in (None, "https://app.example", "https://APP.example", f"http://{host}", f"https://{host}"):
            headers = {} if origin is None else {"Origin": origin}
            async with http.ws_connect(other.url + PATH, headers=headers) as opened:
                assert (await opened.receive_str())[0] == OPEN
        for origin in ("https://evil.example", "null", "https://app.example.evil.example", f"http://evil.example/{host}"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await http.ws_connect(other.url + PATH, headers={"Origin": origin})
            assert refused.value.status == 403, origin


async def test_there_is_no_polling(square: Square) -> None:
    async with aiohttp.ClientSession() as http:
        for path in ("/socket.io/?EIO=4&transport=polling", "/socket.io/", "/socket.io/?EIO=3&transport=websocket"):
            async with http.get(square.url + path) as answer:
                assert answer.status == 400
            async with http.post(square.url + path, data="x" * 100_000) as answer:
                assert answer.status == 400


async def test_so_many_rooms(square: Square) -> None:
    other = await square.another(limits=Limits(rooms_per_connection=2))
    listener = Listener()
    await listener.connect(other.url)
    rooms = [f"session:{SessionId.new()}" for _ in range(3)]
    await listener.join(*rooms[:2], *rooms[:2])
    answer = await listener.ask("join", room=rooms[2])
    assert (answer["code"], answer["message"]) == ("too_many_rooms", "One connection can be in 2 rooms at a time. Leave one first.")
    assert (await listener.ask("sync", room=rooms[2], after="1-1-1"))["code"] == "too_many_rooms"
    await listener.ask("leave", room=rooms[0])
    await listener.join(rooms[2])
    await listener.close()


async def test_so_many_wishes(square: Square) -> None:
    other = await square.another(limits=Limits(wishes_at_once=3, wishes_per_second=0.001))
    listener = Listener()
    await listener.connect(other.url)
    room = f"session:{SessionId.new()}"
    await listener.join(room, room, room)
    answer = await listener.ask("join", room=room)
    assert (answer["code"], answer["retryAfter"]) == ("too_fast", 1)
    assert listener.client.connected
    await listener.close()


SAID_BY_NO_CLIENT = (
    '42["join",{"room":"' + "x" * 9_000 + '"}]',
    "40" + "[" * 9_000,
    "2probe",
    "5",
    "6",
    "4",
    "",
    "x",
    '451-["join",{"_placeholder":true,"num":0}]',
    "4[[[[[[[[[[",
    "43[1]",
)
NONSENSE = (
    '42["connect",{}]',
    "42[]",
    "42{}",
    "42null",
    '42[["join"]]',
    '42["join"',
    "42" + "[" * 4_000,
    "42" + "9" * 200 + '["join",{}]',
    '42["join",{"room":"admin"}]',
    '42/admin,["join",{"room":"admin"}]',
    "40/admin,",
    "40",
    '42["*",1]',
    '421["join",NaN]',
    '42["join",' + "1" * 5_000 + "]",
)


async def test_what_no_client_says_ends_the_connection(square: Square) -> None:
    for frame in SAID_BY_NO_CLIENT:
        async with raw_socket(square.url) as opened:
            assert (await opened.receive_str())[0] == OPEN
            await opened.send_str(frame)
            await until_closed(opened)
        await until(lambda: square.realtime.app.connections == 0)


async def test_nonsense_harms_nobody(square: Square) -> None:
    listener = await listener_in_room(square)
    for number, frame in enumerate(NONSENSE, start=1):
        async with raw_socket(square.url) as opened:
            assert (await opened.receive_str())[0] == OPEN
            await opened.send_str("40")
            assert (await opened.receive_str()).startswith("40")
            for _ in range(3):
                await opened.send_str(frame)
            await opened.send_str('421["leave",{"room":"x"}]')
            await until_answered_or_closed(opened)
        await square.publish(news(number))
        await listener.until_number(number)


async def test_who_says_goodbye_is_gone(square: Square) -> None:
    for farewell in ("41", "1", '42["disconnect"]'):
        async with raw_socket(square.url) as opened:
            await opened.receive_str()
            await opened.send_str("40")
            await opened.receive_str()
            await opened.send_str(farewell)
            await until_closed(opened)
        await until(lambda: square.realtime.app.connections == 0 and not square.realtime.server._clients)


async def test_who_does_not_say_who_it_is_goes(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ADMISSION_S_MAX", 0.1)
    listener = await listener_in_room(square)
    async with raw_socket(square.url) as opened, raw_socket(square.url) as forger:
        await opened.receive_str()
        await forger.receive_str()
        await forger.send_str('40{"token":"forged"}')
        refused = await forger.receive_str()
        assert refused.startswith("44")
        assert json.loads(refused[2:])["data"]["code"] == "not_signed_in"
        await until_closed(opened)
        await until_closed(forger)
    assert listener.client.connected


async def test_a_flood_ends_the_connection(square: Square) -> None:
    other = await square.another(limits=Limits(messages_at_once=20, messages_per_second=0.001))
    async with raw_socket(other.url) as opened:
        await opened.receive_str()
        await opened.send_str("40")
        for _ in range(30):
            await opened.send_str('421["leave",{"room":"x"}]')
        await until_closed(opened)


async def test_who_does_not_read_is_dropped_and_the_others_hear_everything(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SEND_S_MAX", 0.5)
    hearing = await listener_in_room(square)
    token = square.doorkeeper.token(PERSON)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    host, port = square.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(narrow, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=narrow, limit=1_024)
    writer.write(
        f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    for text in ("40" + json.dumps({"token": token}), "42" + json.dumps(["join", {"room": ROOM}])):
        writer.write(bytes([0x81, 0x80 | 126, *len(text).to_bytes(2), 0, 0, 0, 0]) + text.encode())
    known = square.realtime.server._clients
    await until(lambda: sum(ROOM in client.rooms for client in known.values()) == 2)
    (silent,) = [client for client in known.values() if client.sid != hearing.client.get_sid()]

    filler = event_packet(json.dumps(["filler", {"text": "x" * 8_000}]).encode())
    backlog = 0
    while silent.sid in known:
        silent.offer(filler)
        backlog = max(backlog, silent._socket.queue.qsize())
        await asyncio.sleep(0)
    # Engine.IO itself may add a word of farewell.
    assert backlog <= clients.BACKLOG_MAX + 2
    await until(lambda: square.realtime.app.connections == 1)
    for number in range(3):
        await square.publish(news(number))
    await hearing.until(lambda heard: len(heard) == 3)
    writer.transport.abort()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def test_an_allowance_comes_back_with_time() -> None:
    now = 0.0
    allowance = Allowance(2, 0.5, lambda: now)
    assert [allowance.take() for _ in range(3)] == [True, True, False]
    now = 2.0
    assert [allowance.take(), allowance.take()] == [True, False]
    now = 1_000.0
    assert [allowance.take(2), allowance.take()] == [True, False]
