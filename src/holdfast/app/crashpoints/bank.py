"""The sandbox of one trial: the real one, over HTTP, with a file of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from litestar import Litestar

from holdfast.app.sandbox.courier import signed
from holdfast.app.sandbox.http import Sandbox, create_sandbox
from holdfast.app.sandbox.store import Message
from holdfast.payments.gateway import SettledKind
from holdfast.payments.gateways.sandbox import SandboxGateway

MESSAGES_MAX = 10
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Bank:
    """A sandbox that serves. Its messages are sent by whoever runs the trial, so that it is known when."""

    def __init__(self, app: Litestar, url: tuple[str, int], secret: str) -> None:
        self.address = url
        self.gateway = SandboxGateway(f"http://{url[0]}:{url[1]}", secret)
        self._app = app
        self._secret = secret

    async def messages(self) -> list[tuple[dict[str, str], bytes]]:
        """Headers and bodies of what it has to say."""
        sandbox: Sandbox = self._app.state.sandbox
        await sandbox.ask(sandbox.store.decide_due)
        due: list[Message] = await sandbox.ask(sandbox.store.due_messages, MESSAGES_MAX)
        return [(signed(self._secret.encode(), message.id, message.body.encode()), message.body.encode()) for message in due]

    async def moved(self) -> dict[str, int]:
        """What it took and gave back, in minor units."""
        moved = {"taken at the gateway": 0, "given back at the gateway": 0}
        async for item in self.gateway.list_settled(_LONG_AGO):
            what = "taken at the gateway" if item.kind is SettledKind.CAPTURE else "given back at the gateway"
            moved[what] += item.amount.minor
        return moved


@asynccontextmanager
async def open_bank(file: Path, secret: str) -> AsyncIterator[Bank]:
    """Serve the sandbox whose books are in ``file``, until the block ends."""
    app = create_sandbox(file, secret, None, late_s=0.0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_serving.wait()
        bank = Bank(app, listener.getsockname()[:2], secret)
        try:
            yield bank
        finally:
            await bank.gateway.close()
            server.is_over.set()
            await serving


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_serving, self.is_over = asyncio.Event(), asyncio.Event()

    async def main_loop(self) -> None:
        """Without the tick that ends a server slowly."""
        self.is_serving.set()
        await self.is_over.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are for whoever runs the trials."""
        yield
