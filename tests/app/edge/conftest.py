import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from tests.app.edge.town import Town

from holdfast.app.http import BASE_PATH, create_app

Open = Callable[[Town], httpx.AsyncClient]


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
async def client(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to the town without a network."""
    async with open_client(town) as opened:
        yield opened


def open_client(town: Town, **named: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=create_app(town), **named)
    return httpx.AsyncClient(transport=transport, base_url=f"http://town{BASE_PATH}")


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """The town behind a real server, for what only a socket can say."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(Town()), log_config=None, http="httptools", server_header=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
