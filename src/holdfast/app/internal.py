"""What operators ask, on a port of its own: is it alive, is it ready, how is it doing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import psycopg
import structlog
import uvicorn
from prometheus_client import CollectorRegistry, Gauge, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from holdfast.app.edge.asgi import Receive, Scope, Send
from holdfast.app.faults import Fault
from holdfast.app.revisions import known_revisions
from holdfast.common.errors import Overloaded
from holdfast.database import Database
from holdfast.database.retries import ConnectionLost

DATABASE_TIMEOUT_S: Final = 2.0
_TEXT: Final = "text/plain; charset=utf-8"

_log = structlog.get_logger("holdfast.internal")


def _never() -> bool:
    return False


def new_registry() -> CollectorRegistry:
    """A registry with the measures of this process: memory, processor time, open files, collections of garbage."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return registry


class InternalApp:
    """``/livez`` asks nothing, ``/readyz`` asks the database, ``/metrics`` is read by Prometheus."""

    def __init__(
        self,
        database_url: str,
        registry: CollectorRegistry,
        *,
        is_draining: Callable[[], bool] = _never,
        count_overdue_differences: Callable[[], Awaitable[int]] | None = None,
    ) -> None:
        """``is_draining`` says that this process is about to end, so that no new requests are sent to it."""
        # A connection of its own: a process that is busy is still ready.
        self._database = Database(database_url, connections=1, readers=1, name="holdfast internal")
        self._registry = registry
        self._is_draining = is_draining
        self._count_overdue_differences = count_overdue_differences
        self._overdue = Gauge(
            "holdfast_differences_overdue",
            "Differences between a gateway and our books that have been open for too long. NaN: not known just now.",
            registry=registry,
        )
        self._older = frozenset(known_revisions()[:-1])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, media_type, content = await self._answer(scope["path"])
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(content)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content if scope["method"] != "HEAD" else b""})

    async def _answer(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/livez":
                return 200, _TEXT, b"alive\n"
            case "/readyz":
                faults = await self.faults()
                return (503 if faults else 200), "application/json", msgspec.json.encode({"ready": not faults, "faults": faults})
            case "/metrics":
                await self._measure()
                return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case _:
                return 404, _TEXT, b"There are /livez, /readyz and /metrics.\n"

    async def _measure(self) -> None:
        if self._count_overdue_differences is None:
            return
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S):
                self._overdue.set(await self._count_overdue_differences())
        except (psycopg.Error, ConnectionLost, Overloaded, TimeoutError):
            # An alarm that is silent because nobody could ask must not look like one that has nothing to say.
            self._overdue.set(float("nan"))

    async def faults(self) -> list[str]:
        """Why requests should go elsewhere; nothing when they are welcome."""
        if self._is_draining():
            return ["draining: this process is about to end"]
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT_S), self._database.reading() as tx:
                cursor = await tx.pg.execute("SELECT version_num FROM alembic_version")
                row = await cursor.fetchone()
        except (psycopg.Error, ConnectionLost, Overloaded, TimeoutError) as error:
            _log.warning("the database does not answer", reason=repr(error))
            return ["database: it does not answer"]
        # A revision that we do not know is a newer program's, which took care that we can go on.
        return ["migrations: the database is older than this program"] if row is None or row[0] in self._older else []

    async def close(self) -> None:
        await self._database.close()


@asynccontextmanager
async def internal_server(app: InternalApp, port: int, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve while the block runs, and close the app after it; gives the port, which the system chooses for 0.

    Raises Fault where the port is taken.
    """
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise Fault(f"The internal port {port} cannot be opened ({error.strerror}). Set HOLDFAST_INTERNAL_PORT to another.") from error
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False, proxy_headers=False)
    server = _QuietServer(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        await app.close()


class _QuietServer(uvicorn.Server):
    """Leaves signals to the server beside it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
