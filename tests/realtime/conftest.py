"""A square: a shop, a real web server with its sockets, and people who listen with the real Socket.IO client."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import socketio
import uvicorn
from tests.shop import Shop

from holdfast import events
from holdfast.auth.models import LoginId, SignedIn
from holdfast.common.actor import Actor
from holdfast.common.errors import NotSignedIn
from holdfast.database import Database
from holdfast.events import Event, LogPosition
from holdfast.events.consumers import read_on
from holdfast.realtime import module
from holdfast.realtime.door import Limits
from holdfast.realtime.module import RealtimeModule
from holdfast.sessions.models import Session

PATIENCE_S = 20.0
LONG = 3_600.0


class Doorkeeper:
    """Gives out tokens, and takes them back."""

    def __init__(self) -> None:
        self.holders: dict[str, SignedIn] = {}

    def token(self, actor: Actor) -> str:
        token = f"token {len(self.holders)}"
        self.holders[token] = SignedIn(actor.id, actor.role, LoginId.new(), 1)
        return token

    async def sign_in_of(self, token: str) -> SignedIn:
        try:
            return self.holders[token]
        except KeyError:
            raise NotSignedIn from None


@dataclass(frozen=True)
class Heard:
    """One message, as it came out of the client."""

    name: str
    body: Mapping[str, Any]

    @property
    def at(self) -> LogPosition:
        return LogPosition.parse(self.body["sequence"])


class Listener:
    """Somebody with a socket, who writes down all that they hear."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.is_gone = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._news = asyncio.Condition()
        self.client.on("*", self._hear)
        self.client.on("disconnect", self._go)

    async def connect(self, url: str, token: str | None = None) -> None:
        auth = None if token is None else {"token": token}
        await self.client.connect(url, auth=auth, transports=["websocket"], wait_timeout=PATIENCE_S)

    async def ask(self, wish: str, **request: object) -> dict[str, Any]:
        """What the server answers."""
        answer: dict[str, Any] = await self.client.call(wish, request, timeout=PATIENCE_S)
        return answer

    async def join(self, *rooms: str) -> str:
        """Enter rooms; returns the sequence from which on nothing is missed."""
        sequence = ""
        for room in rooms:
            answer = await self.ask("join", room=room)
            assert answer["ok"], answer
            sequence = sequence or answer["sequence"]
        return sequence

    async def until(self, satisfied: Callable[[list[Heard]], object]) -> None:
        """Wait until what was heard satisfies a condition."""
        async with self._news:
            try:
                await asyncio.wait_for(self._news.wait_for(lambda: satisfied(self.heard)), PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"heard only {self.heard}") from None

    async def until_number(self, number: int) -> None:
        """Wait until so many messages were heard."""
        await self.until(lambda heard: len(heard) >= number)

    async def until_names(self, *names: str) -> None:
        """Wait until exactly these messages were heard, in this order."""
        await self.until_number(len(names))
        assert self.names == list(names)

    @property
    def names(self) -> list[str]:
        return [heard.name for heard in self.heard]

    def body(self, name: str) -> Mapping[str, Any]:
        """The last message of this name."""
        return next(heard.body for heard in reversed(self.heard) if heard.name == name)

    async def close(self) -> None:
        if self.client.connected:
            await self.client.disconnect()

    async def _hear(self, name: str, body: Mapping[str, Any]) -> None:
        async with self._news:
            self.heard.append(Heard(name, body))
            self._news.notify_all()

    async def _go(self, *_: object) -> None:
        self.is_gone.set()


@dataclass
class Square:
    """Everything that a test of sockets stands on."""

    shop: Shop
    doorkeeper: Doorkeeper
    realtime: RealtimeModule
    url: str
    stack: AsyncExitStack

    async def listener(self, actor: Actor | None = None) -> Listener:
        """Somebody who is connected, as nobody in particular or signed in."""
        listener = Listener()
        self.stack.push_async_callback(listener.close)
        await listener.connect(self.url, None if actor is None else self.doorkeeper.token(actor))
        return listener

    async def session(self, seats: int = 14) -> Session:
        """A session that everybody has heard of already."""
        opened = await self.shop.session(seats)
        await self.settle()
        return opened

    async def publish(self, *happened: Event) -> None:
        async with self.shop.database.transaction() as tx:
            await events.publish(tx, happened)

    async def settle(self) -> None:
        """Wait until the feed has said all that has been committed so far."""
        while True:
            recorded, _ = await read_on(self.shop.database, self.realtime.feed.position)
            if not recorded:
                return
            await asyncio.sleep(0.005)

    async def another(self, **options: Any) -> "Square":
        """The same shop, as another process serves it."""
        return await self.stack.enter_async_context(serving(self.shop, self.doorkeeper, self.stack, **options))


@asynccontextmanager
async def serving(shop: Shop, doorkeeper: Doorkeeper, stack: AsyncExitStack, **options: Any) -> AsyncIterator[Square]:
    """Real time behind a real web server on a free port of loopback, configured as the program's own."""
    options.setdefault("recheck_s", LONG)
    realtime = module.build(shop.database, doorkeeper.sign_in_of, **options)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            realtime.app,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        feeding = asyncio.create_task(realtime.run())
        try:
            await until(lambda: server.started and realtime.feed.is_ready)
            yield Square(shop, doorkeeper, realtime, f"http://127.0.0.1:{listening.getsockname()[1]}", stack)
        finally:
            feeding.cancel()
            server.should_exit = True
            await asyncio.gather(running, feeding, return_exceptions=True)
            # A connection to the database that was just being opened is only closed when it is collected, and until then
            # PostgreSQL drops no database.
            gc.collect()


async def until(satisfied: Callable[[], object]) -> None:
    """Wait for a condition that nobody announces."""
    async with asyncio.timeout(PATIENCE_S):
        while not satisfied():
            await asyncio.sleep(0.005)


@pytest.fixture
async def square(database: Database) -> AsyncIterator[Square]:
    shop = Shop(database)
    await shop.open()
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(serving(shop, Doorkeeper(), stack, limits=Limits(wishes_at_once=1_000)))
