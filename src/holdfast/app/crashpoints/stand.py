"""A place where one trial runs at a time: its processes, its wires, and the people who ask over HTTP."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Struct

from holdfast.app.crashpoints.bank import Bank, open_bank
from holdfast.app.crashpoints.cuts import Knife
from holdfast.app.crashpoints.flows import ADMIN, DRIVER, HOLD_S, OTHER_ADMIN
from holdfast.app.crashpoints.nursery import FAULT, Order
from holdfast.app.crashpoints.town import Books, Town
from holdfast.app.crashpoints.wires import Wires
from holdfast.app.faults import Fault
from holdfast.app.leash import leashed
from holdfast.auth.keys import TokenKeys
from holdfast.auth.models import Login
from holdfast.auth.revocations import Revocations
from holdfast.auth.tokens import AccessTokens
from holdfast.common.actor import Role
from holdfast.config import Settings
from holdfast.database import Database

API = "/api/v1"
ANSWER_WITHIN_S = 60.0
TOKEN_LIFETIME = timedelta(hours=1)
_UNEXPECTED = re.compile(rf"^{FAULT}|\[(error|critical) *\]|never retrieved")
_NOT_INHERITED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "HOLDFAST_")
_ROLES = {DRIVER: Role.DRIVER, ADMIN: Role.ADMIN, OTHER_ADMIN: Role.ADMIN}


class Answer(Struct, frozen=True):
    """What came back."""

    status: int
    body: Mapping[str, Any]

    @property
    def in_words(self) -> str:
        return " ".join(str(each) for each in (self.status, self.body.get("code") or self.body.get("status")) if each)


class Stand:
    """One database, one gateway and the processes of the program between them."""

    def __init__(self, town: Town, directory: Path, number: int, *, patch: str) -> None:
        """``patch``: MODULE:FUNCTION that changes the program before it is built."""
        directory.mkdir(parents=True)
        self.town = town
        self.directory = directory
        self.database = f"crash_stand_{number}"
        self.wires = Wires(town.socket)
        self.knife = Knife()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._gateway_listener = socket.create_server(("127.0.0.1", 0))
        self._environment = self._make_environment()
        self.settings = _settings(self._environment)
        self._patch = patch
        self._tokens = AccessTokens(
            TokenKeys(self.settings.token_key.get_secret_value()),
            Revocations(Database(self.settings.database_url), TOKEN_LIFETIME),
            issuer="holdfast",
            lifetime=TOKEN_LIFETIME,
        )
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._listener.getsockname()[1]}{API}",
            timeout=ANSWER_WITHIN_S,
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
            verify=False,  # noqa: S501 - there is no TLS on loopback, and reading all certificates takes long.
        )
        self._orders: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._web: asyncio.Task[None] | None = None
        self._web_pid = 0
        self._children: set[int] = set()
        self.bank: Bank | None = None
        self.books: Books | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Start the nursery and listen on the wires, until the block ends."""
        ours, theirs = socket.socketpair()
        handed_over = (self._listener.fileno(), theirs.fileno())
        command = [
            sys.executable,
            "-P",
            "-m",
            "holdfast.app.crashpoints.nursery",
            *map(str, handed_over),
            *([self._patch] if self._patch else []),
        ]
        with self.log.open("wb") as log:
            nursery = subprocess.Popen(  # noqa: ASYNC220 - it must be tied to this thread, and starts in no time.
                leashed(command, signal.SIGKILL), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self._environment, cwd=self.directory, pass_fds=handed_over,
            )  # fmt: skip
        theirs.close()
        self._orders = await asyncio.open_connection(sock=ours)
        try:
            if not await self._orders[0].readline():
                raise Fault(f"The program could not be built:\n{self.log.read_text(errors='replace')[-3000:]}")
            async with self.wires.connected(self.directory, self._gateway_listener):
                yield
        finally:
            self._orders[1].close()
            nursery.kill()
            nursery.wait()
            await self._http.aclose()
            self._listener.close()

    @asynccontextmanager
    async def trial(self, template: str, bank_file: Path | None, knife: Knife) -> AsyncIterator[None]:
        """A fresh database, gateway and web process, until the block ends."""
        for left in self.directory.glob(f"{self.bank_file.name}*"):
            left.unlink()
        if bank_file is not None:
            shutil.copy(bank_file, self.bank_file)
        self.log.write_bytes(b"")
        self.knife = self.wires.knife = knife
        await self.town.copy(template, self.database)
        self.books = await Books.open(self.town.postgres.url("postgres", self.database))
        async with open_bank(self.bank_file, self.settings.sandbox_gateway_secret.get_secret_value()) as bank:
            self.bank, self.wires.gateway = bank, bank.address
            try:
                yield
            finally:
                for child in self._children:
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                self._children.clear()
                if self._web is not None:
                    await self._web
                await self.wires.hang_up()
                await self.books.close()

    @property
    def bank_file(self) -> Path:
        """The books of the sandbox."""
        return self.directory / "sandbox.sqlite3"

    @property
    def log(self) -> Path:
        """What the processes of the trial said."""
        return self.directory / "program.log"

    @property
    def faults(self) -> list[str]:
        """Errors that nobody in the program expected."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [line for line in lines if _UNEXPECTED.search(line)]

    async def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer | None:
        """One request; None where the connection broke, or where nobody waits for its answer any more."""
        web = await self._be_served()
        held, was_held = asyncio.ensure_future(self.knife.held.wait()), self.knife.held.is_set()
        asking = asyncio.ensure_future(self._http.request(method, path, content=body, headers=dict(headers)))
        try:
            # Where the process has died, nobody would ever accept the connection.
            await asyncio.wait({asking, web} if was_held else {asking, web, held}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return None
            answer = asking.result()
        except httpx.HTTPError:
            return None
        finally:
            for task in (held, asking):
                task.cancel()
            await asyncio.gather(held, asking, return_exceptions=True)
        return Answer(answer.status_code, msgspec.json.decode(answer.content) if answer.content else {})

    def token(self, name: str) -> str:
        """The access token of somebody."""
        login = Login(id=self.town.logins[name], user_id=self.town.people[name], generation=1, ended_at=None)
        return self._tokens.issue(login, _ROLES.get(name, Role.PASSENGER))

    async def start_work(self, steps: tuple[str, ...]) -> "asyncio.Task[None]":
        """A worker that does some of its steps, or all; the task ends with it."""
        pid = await self._raise(Order(steps=steps))
        self.knife.victim = pid
        return asyncio.create_task(_ended(pid))

    async def _be_served(self) -> "asyncio.Task[None]":
        """See to it that a web process lives; the task ends with it."""
        if self._web is None or self._web.done():
            self._web_pid = await self._raise(Order(serves=True))
            self._web = asyncio.create_task(_ended(self._web_pid))
        self.knife.victim = self._web_pid
        return self._web

    async def _raise(self, order: Order) -> int:
        assert self._orders is not None
        reader, writer = self._orders
        writer.write(msgspec.json.encode(order) + b"\n")
        pid = int(await reader.readline())
        self._children.add(pid)
        return pid

    def _make_environment(self) -> dict[str, str]:
        port, gateway_port = self._listener.getsockname()[1], self._gateway_listener.getsockname()[1]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        direct = self.town.postgres.url("holdfast_app", self.database)
        return {
            **inherited,
            # What we can import, the nursery can.
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DATABASE_URL": f"{direct.split('?', maxsplit=1)[0]}?host={quote(str(self.directory), safe='')}",
            "REDIS_URL": "",
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_SANDBOX_GATEWAY_URL": f"http://127.0.0.1:{gateway_port}",
            # A start is prepared once, and its holds live on the clock of the machine until the last trial.
            "HOLDFAST_HOLD_SECONDS": str(HOLD_S),
            "HOLDFAST_LOG_LEVEL": "warning",
        }


async def _ended(pid: int) -> None:
    """Return when a process is no more."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, is_over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, is_over.set)
    try:
        await is_over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _settings(environment: Mapping[str, str]) -> Settings:
    names = {field.alias for field in Settings.model_fields.values()}
    # What a developer keeps in .env is none of our business.
    given: dict[str, Any] = {name: value for name, value in environment.items() if name in names}
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]
