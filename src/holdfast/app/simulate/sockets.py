"""Somebody who listens: Socket.IO over a WebSocket, spoken by hand, because hundreds of listeners must cost next to nothing."""

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection, connect

from holdfast.app.simulate.person import GaveUp, Person, Refused

ANSWER_TIMEOUT_S = 20.0
RECONNECT_S = 0.5
_PING, _PONG, _CONNECT, _EVENT, _ANSWER, _REFUSED = "2", "3", "40", "42", "43", "44"
_BUSY = frozenset({"overloaded", "too_fast"})

Hear = Callable[[str, dict[str, Any]], None]


class Listener:
    """A person's socket, in one room. When it breaks it comes back and asks for what it has missed."""

    def __init__(self, base_url: str, person: Person, room: str, hear: Hear) -> None:
        self._url = base_url.replace("http", "ws", 1).rstrip("/") + "/socket.io/?EIO=4&transport=websocket"
        self._person = person
        self._room = room
        self._hear = hear
        self._after = ""
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._numbers = itertools.count()
        self.is_in_the_room = asyncio.Event()
        self.has_missed_something = False
        """It was away for so long that the server told it to read everything anew."""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException, GaveUp, Refused):
                await self._listen()
            self.is_in_the_room.clear()
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        async with connect(self._url, open_timeout=ANSWER_TIMEOUT_S, compression=None, ping_interval=None, proxy=None) as socket:
            await socket.recv()
            await socket.send(_CONNECT + msgspec.json.encode({"token": self._person.token}).decode())
            if str(await socket.recv()).startswith(_REFUSED):
                await self._person.renew()
                return
            reading = asyncio.create_task(self._read(socket))
            try:
                if await self._enters(socket):
                    await reading
            finally:
                reading.cancel()

    async def _enters(self, socket: ClientConnection) -> bool:
        """Whether it is in the room now, and has been sent what it missed."""
        is_back = bool(self._after)
        wish, request = ("sync", {"after": self._after}) if is_back else ("join", {})
        answer = await self._ask(socket, wish, room=self._room, **request)
        if not answer.get("ok"):
            if answer.get("code") not in _BUSY:
                self._person.tally.fault(f"a socket was refused the room {self._room}: {answer}")
            return False
        if is_back and answer["resync"]:
            self.has_missed_something = True
        if not is_back:
            self._after = answer["sequence"]
        self._person.tally.happened["a socket came back and was told what it had missed" if is_back else "listened to a socket"] += 1
        self.is_in_the_room.set()
        return True

    async def _ask(self, socket: ClientConnection, wish: str, **request: str) -> dict[str, Any]:
        number = str(next(self._numbers))
        waiting = self._answers[number] = asyncio.get_running_loop().create_future()
        await socket.send(_EVENT + number + msgspec.json.encode([wish, request]).decode())
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answer: dict[str, Any] = await waiting
            return answer
        finally:
            del self._answers[number]

    async def _read(self, socket: ClientConnection) -> None:
        async for packet in socket:
            text = str(packet)
            if text == _PING:
                await socket.send(_PONG)
            elif text.startswith(_EVENT):
                name, body = msgspec.json.decode(text[2:])
                if name == "signin.ended":
                    await self._person.renew()
                    return
                self._after = max(self._after, body["sequence"], key=_order)
                self._hear(name, body)
            elif text.startswith(_ANSWER):
                number, _, answer = text[2:].partition("[")
                waiting = self._answers.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(msgspec.json.decode("[" + answer)[0])


def _order(sequence: str) -> tuple[int, ...]:
    return tuple(int(part) for part in sequence.split("-") if part)
