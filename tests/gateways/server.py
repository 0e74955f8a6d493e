"""What our own servers have in common that stand for vendors in tests.

Such a server speaks one vendor's documented shapes over real HTTP, keeps what it did in memory, and misbehaves when it is told to:
``POST /_control`` sets moods, moves its clock and makes things happen that only a vendor can (``Control``). So it may as well run in
a process of its own. The vendor's part is a subclass that lists its ``routes``, says who may call, and signs its messages.
"""

import asyncio
import re
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
from msgspec import Struct, field

DELIVERY_TIMEOUT_S = 10.0


class Mood(StrEnum):
    """What becomes of a request, whatever its answer should be."""

    SILENT_DONE = "it is done, and no answer comes"
    SILENT_NOT_DONE = "nothing is done, and no answer comes"
    ERROR_DONE = "it is done, and the answer is an error"
    ERROR_NOT_DONE = "nothing is done, and the answer is an error"
    CUT_DONE = "it is done, and the connection breaks in the middle of the answer"
    NONSENSE_DONE = "it is done, and the answer makes no sense"
    TOO_MANY = "nothing is done, because there were too many requests"

    @property
    def is_done(self) -> bool:
        return self in (Mood.SILENT_DONE, Mood.ERROR_DONE, Mood.CUT_DONE, Mood.NONSENSE_DONE)


class Delivery(StrEnum):
    """How often, and whether, a message about something is sent."""

    ONCE = "once"
    TWICE_AND_UNDER_ANOTHER_ID = "twice, and once more under another id"
    NEVER = "never"
    AFTER_A_FORGED_ONE = "once, after a forged one that says that the money was taken"


class Control(Struct, frozen=True):
    """An order. ``mood`` is for the next ``times`` requests to ``path``, for instance ``POST /v1/refunds``.

    ``clock_s`` is how far the server's clock is from the real one. ``delivery`` is for messages from now on. ``happens`` is an event
    that the vendor's server knows, such as a dispute, and ``about`` whom it concerns.
    """

    mood: Mood | None = None
    path: str = ""
    times: int = 1
    clock_s: float | None = None
    delivery: Delivery | None = None
    happens: str | None = None
    about: str = ""


class Request(Struct, frozen=True):
    """A request as it came. ``found`` is what the path's pattern found in it."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    found: Mapping[str, str] = {}

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def asked(self, name: str) -> str | None:
        """A parameter of the query."""
        return dict(self.query).get(name)


class Answer(Struct, frozen=True):
    """An answer; ``content`` is JSON, unless it is bytes already."""

    status: int
    content: object
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else msgspec.json.encode(self.content)


Handler = Callable[[Request], Awaitable[Answer] | Answer]


class GatewayServer(ABC):
    """An ASGI application. ``silence_s``: how long a request hangs that is never answered. ``webhook_url`` None: nobody is told."""

    def __init__(self, webhook_url: str | None, *, silence_s: float) -> None:
        self._webhook_url = webhook_url
        self._silence_s = silence_s
        self._moods: dict[str, deque[Mood]] = {}
        self._clock_s = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self.delivery = Delivery.ONCE

    @abstractmethod
    def routes(self) -> Mapping[str, Handler]:
        """What it serves: ``POST /v1/things/(?P<id>\\w+)`` and who answers. The first that fits is asked."""

    @abstractmethod
    def may_call(self, request: Request) -> Answer | None:
        """None where the caller may; else the vendor's refusal."""

    @abstractmethod
    def error(self, mood: Mood) -> Answer:
        """The vendor's answer where it fails (``ERROR_...``) or where there were too many requests (``TOO_MANY``)."""

    @abstractmethod
    def signed(self, body: bytes, *, is_forged: bool) -> Mapping[str, str]:
        """The headers of a message."""

    async def happens(self, what: str, about: str) -> None:
        """Make something happen that only the vendor can."""
        raise AssertionError(f"{type(self).__name__} does not know {what}")

    def now(self) -> float:
        """Seconds since 1970 by the server's clock."""
        return time.time() + self._clock_s

    def later(self, wait_s: float, what: Callable[[], None]) -> None:
        """Do something after a while."""

        async def wait() -> None:
            await asyncio.sleep(wait_s)
            what()

        self._start(wait())

    def tell(self, body: bytes, *, is_forged: bool = False) -> None:
        """Send a message. What nobody accepts is not sent again: a lost message is what is tested."""
        if self._webhook_url is not None:
            self._start(self._deliver(self._webhook_url, body, self.signed(body, is_forged=is_forged)))

    async def answer(self, request: Request, handler: Handler, mood: Mood | None) -> Answer:
        """Do what is asked. A vendor that knows idempotency keys remembers here what it answered, errors too."""
        answer = handler(request)
        done = answer if isinstance(answer, Answer) else await answer
        return self.error(mood) if mood is Mood.ERROR_DONE else done

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        request = await _read(scope, receive)
        if request.path == "/_control":
            await self._obey(msgspec.json.decode(request.body, type=Control))
            await _send(send, Answer(204, b""))
            return
        for route, handler in self.routes().items():
            if found := re.fullmatch(route, f"{request.method} {request.path}"):
                await self._serve(msgspec.structs.replace(request, found=found.groupdict()), handler, send)
                return
        await _send(send, Answer(404, {"error": {"type": "invalid_request_error", "message": f"Unrecognized request URL: {request.path}"}}))

    async def _serve(self, request: Request, handler: Handler, send: Any) -> None:
        mood = self._mood(request)
        if mood is not None and not mood.is_done:
            if mood is Mood.SILENT_NOT_DONE:
                await asyncio.sleep(self._silence_s)
            await _send(send, self.error(mood))
            return
        answer = self.may_call(request) or await self.answer(request, handler, mood)
        match mood:
            case Mood.SILENT_DONE:
                await asyncio.sleep(self._silence_s)
            case Mood.NONSENSE_DONE:
                answer = Answer(200, b"<html>It works!</html>")
            case Mood.CUT_DONE:
                await _cut(send, answer)
                return
        await _send(send, answer)

    def _mood(self, request: Request) -> Mood | None:
        waiting = self._moods.get(f"{request.method} {request.path}")
        return waiting.popleft() if waiting else None

    async def _obey(self, order: Control) -> None:
        if order.mood is not None:
            self._moods.setdefault(order.path, deque()).extend([order.mood] * order.times)
        if order.clock_s is not None:
            self._clock_s = order.clock_s
        if order.delivery is not None:
            self.delivery = order.delivery
        if order.happens is not None:
            await self.happens(order.happens, order.about)

    async def _deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        # A proxy of this machine's environment has no business between two of its processes.
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_S, trust_env=False) as client:
            try:
                await client.post(url, content=body, headers={"Content-Type": "application/json", **headers})
            except httpx.HTTPError:
                return

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _live(self, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await send({"type": "lifespan.shutdown.complete"})


async def control(url: str, order: Control) -> None:
    """Give an order to the server at an address."""
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.post(f"{url}/_control", content=msgspec.json.encode(order))).raise_for_status()


async def _read(scope: Any, receive: Any) -> Request:
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body", False)
    return Request(
        scope["method"],
        scope["path"],
        tuple(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        {name.decode().lower(): value.decode() for name, value in scope["headers"]},
        body,
    )


async def _send(send: Any, answer: Answer) -> None:
    headers = {"content-type": "application/json", **answer.headers}
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})


async def _cut(send: Any, answer: Answer) -> None:
    """Promise more than is sent: the server then closes the connection."""
    length = str(len(answer.body) + 1).encode()
    await send({"type": "http.response.start", "status": answer.status, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": answer.body[:10], "more_body": True})
