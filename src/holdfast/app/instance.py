"""A whole Holdfast on this machine: servers, web, worker and sandbox gateway as children of one process. What ``up`` runs."""

import asyncio
import contextlib
import os
import random
import shlex
import signal
import socket
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console
from rich.text import Text

from holdfast.app import running
from holdfast.app.embedded import Home, PostgresServer, RedisServer, Server, fault, postgres_programs, redis_program
from holdfast.app.faults import Fault
from holdfast.app.leash import leashed
from holdfast.app.revisions import has_partitions_ahead, is_current
from holdfast.app.running import Running
from holdfast.app.settings import load_settings
from holdfast.app.supervisor import Program, Supervisor
from holdfast.config import Settings

_COLOURS = {
    "postgres": "blue",
    "redis": "red",
    "web": "green",
    "worker": "magenta",
    "sandbox": "yellow",
    "migrate": "blue",
    "demo": "cyan",
    "holdfast": "bold",
}
_NAME_WIDTH = max(map(len, _COLOURS))
# How long a web server of a parent that was killed may still answer its last requests.
_PORT_WAIT_S = 10.0
_OUTGOING_PORTS = 32_768


async def run(*, host: str | None, port: int | None, data: Path | None, demo: bool) -> int:
    """Start everything and keep it running until Ctrl-C or SIGTERM; returns the exit code. Raises Fault."""
    return await Instance(host=host, port=port, data=data, demo=demo).run()


class Instance:
    """One ``up``."""

    def __init__(self, *, host: str | None, port: int | None, data: Path | None, demo: bool) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._home = Home((data or running.DEFAULT_DATA).absolute())
        self._host = host
        self._port = port
        self._demo = demo
        self._began = time.monotonic()
        self._is_ready = False
        self._listener: socket.socket | None = None
        self._output_is_gone = asyncio.Event()

    async def run(self) -> int:
        main = asyncio.current_task()
        assert main is not None
        loop = asyncio.get_running_loop()
        supervisor = Supervisor(self._show, fault)
        received: list[signal.Signals] = []

        def end(number: signal.Signals) -> None:
            received.append(number)
            if len(received) == 1:
                self._say("stopping ...")
                main.cancel()
            else:
                supervisor.kill()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end, number)
        try:
            # Outermost, so that the lock on the data directory is held until the last child is gone.
            with self._home:
                try:
                    async with supervisor:
                        await self._start(supervisor)
                        await self._output_is_gone.wait()
                finally:
                    if self._listener is not None:
                        self._listener.close()
                    running.forget(self._home.path)
        except asyncio.CancelledError:
            if not received:
                raise
            self._say("stopped; no process is left.")
            return 0 if self._is_ready else 128 + received[0]
        return 0

    async def _start(self, supervisor: Supervisor) -> None:
        home = self._home
        if home.is_elsewhere:
            self._say(f"data in {home.path}, because PostgreSQL, which runs as nobody, cannot reach {home.wanted}")
        environment = self._own_settings()
        settings = load_settings(**environment)
        # Held open to the end: every web server gets it anew.
        listener = self._listener = await self._listen(settings)
        host, port = listener.getsockname()[:2]
        environment |= {"HOLDFAST_HOST": settings.host, "HOLDFAST_PORT": str(port)}
        environment["HOLDFAST_INTERNAL_PORT"] = str(settings.internal_port or _free_port(port + 1))

        owner_url = settings.database_owner_url
        if not settings.database_url:
            postgres = PostgresServer(
                home.path / "postgres", home.sockets, home.secrets, programs=postgres_programs(home.account), account=home.account
            )
            self._say("making the database (first start) ..." if not postgres.directory.exists() else "starting the database ...")
            await supervisor.start(_as_program(postgres))
            await asyncio.to_thread(postgres.set_up_roles)
            owner_url = postgres.owner_url
            environment["DATABASE_URL"] = postgres.app_url
        if not settings.redis_url:
            await self._start_redis(supervisor, environment)
        sandbox = self._sandbox(settings, environment)
        settings = load_settings(**environment)
        base_url = settings.public_url or _url(host, port)
        programs = [self._web(environment, listener), self._worker(environment), *([sandbox] if sandbox else [])]
        # Web and worker wait for the migration by themselves, and have plenty to import until then.
        await asyncio.gather(
            self._migrate(supervisor, owner_url, settings.database_url), *(supervisor.start(program) for program in programs)
        )
        Running(os.getpid(), base_url, environment | {"DATABASE_OWNER_URL": owner_url}).write(home.path)
        if self._demo:
            await supervisor.run_once(_holdfast("demo", "demo", environment=environment))
        self._is_ready = True
        self._greet(settings, base_url)

    def _own_settings(self) -> dict[str, str]:
        """What this installation sets where nobody else did: its secrets, where heads are published, and what stood on the command line."""
        kept = self._home.secrets
        made = {
            "HOLDFAST_TOKEN_KEY": kept.token_key,
            "HOLDFAST_VAULT_KEY": kept.vault_key,
            "HOLDFAST_SANDBOX_GATEWAY_SECRET": kept.gateway,
            "HOLDFAST_AUDIT_HEADS": str(self._home.path / "audit-heads"),
        }
        given = {**dotenv_values(".env"), **os.environ}
        environment = {name: value for name, value in made.items() if not given.get(name)}
        if self._host is not None:
            environment["HOLDFAST_HOST"] = self._host
        if self._port is not None:
            environment["HOLDFAST_PORT"] = str(self._port)
        return environment

    async def _listen(self, settings: Settings) -> socket.socket:
        """The web server's socket. It is ours, so that connections wait, instead of being refused, while a web server is replaced."""
        deadline = time.monotonic() + (_PORT_WAIT_S if running.was_killed(self._home.path) else 0)
        while True:
            try:
                listener = socket.create_server(
                    (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET, backlog=2048
                )
            except OSError as error:
                if time.monotonic() < deadline:
                    await asyncio.sleep(0.1)
                    continue
                raise Fault(
                    f"Port {settings.port} on {settings.host} cannot be used: {os.strerror(error.errno or 0)}."
                    f" Choose another: ./holdfast up --port {min(settings.port + 10, 65_535)}"
                ) from error
            listener.set_inheritable(True)
            return listener

    async def _start_redis(self, supervisor: Supervisor, environment: dict[str, str]) -> None:
        program = redis_program(self._home.account)
        if program is None:
            self._say("no redis-server here: everything works without it, a little slower")
            environment["REDIS_URL"] = ""
            return
        redis = RedisServer(self._home.sockets, self._home.secrets.redis, program=program, account=self._home.account)
        await supervisor.start(_as_program(redis))
        environment["REDIS_URL"] = redis.url

    async def _migrate(self, supervisor: Supervisor, owner_url: str, app_url: str) -> None:
        if await asyncio.to_thread(is_current, app_url) and await asyncio.to_thread(has_partitions_ahead, app_url):
            return
        if not owner_url:
            raise Fault("The database has not been migrated to this version. Set DATABASE_OWNER_URL too, or run `holdfast migrate`.")
        # A process of its own, because what it imports takes longer than what it does.
        await supervisor.run_once(_holdfast("migrate", "migrate", environment={"DATABASE_OWNER_URL": owner_url}, is_owner=True))

    def _web(self, environment: Mapping[str, str], listener: socket.socket) -> Program:
        port = int(environment["HOLDFAST_INTERNAL_PORT"])
        return _holdfast(
            "web", "serve", "--socket", str(listener.fileno()), environment=environment, inherited=[listener.fileno()], ready_on=port
        )

    def _worker(self, environment: Mapping[str, str]) -> Program:
        return _holdfast("worker", "worker", environment=environment)

    def _sandbox(self, settings: Settings, environment: dict[str, str]) -> Program | None:
        if settings.sandbox_gateway_url or settings.is_production or find_spec("holdfast.app.cli.sandbox") is None:
            return None
        port = _free_port(int(environment["HOLDFAST_PORT"]) + 2)
        environment["HOLDFAST_SANDBOX_GATEWAY_URL"] = f"http://127.0.0.1:{port}"
        return _holdfast(
            "sandbox", "sandbox", "--port", str(port), "--data", str(self._home.path / "sandbox"), environment=environment, ready_on=port
        )

    def _greet(self, settings: Settings, base_url: str) -> None:
        out = self._console
        phone = "+201000012345" if settings.accepts_test_phones else "+20..."
        code = "000000" if settings.accepts_test_phones else "the code shown here"
        out.print()
        out.rule("[bold green]Holdfast is ready[/]")
        out.print(f"\n  Address    [bold]{base_url}[/]")
        out.print(f"  API docs   {base_url}/api/v1/docs")
        out.print(f"  Data       {self._home.path}")
        out.print(f"  Started in {time.monotonic() - self._began:.1f} s; Ctrl-C stops everything.\n")
        out.print("  Sign in with a test phone:\n" if settings.accepts_test_phones else "  Sign in:\n")
        out.print(
            Text(
                f"curl {base_url}/api/v1/auth/request-otp \\\n"
                f"  -H 'Content-Type: application/json' -d '{{\"phone\": \"{phone}\"}}'\n\n"
                f"curl {base_url}/api/v1/auth/verify-otp \\\n"
                f"  -H 'Content-Type: application/json' \\\n"
                f'  -d \'{{"challengeId": "(from above)", "code": "{code}"}}\''
            )
        )
        elsewhere = "" if self._home.wanted == running.DEFAULT_DATA else f" --data {shlex.quote(str(self._home.wanted))}"
        out.print("\n  Then: README.md sells a first seat, [bold]./holdfast simulate[/] sells thousands.")
        out.print(f"  An admin: [bold]./holdfast create-admin +20...{elsewhere}[/]")
        out.rule()

    def _say(self, line: str) -> None:
        self._show("holdfast", line)

    def _show(self, name: str, line: str) -> None:
        prefix = Text(f"{name:<{_NAME_WIDTH}} | ", style=_COLOURS.get(name, ""))
        try:
            self._console.print(prefix + Text.from_ansi(line))
        except (BrokenPipeError, OSError):
            # Nobody reads any more: what cannot be seen must not go on running unnoticed.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._output_is_gone.set()


def _url(host: str, port: int) -> str:
    """The address to reach a listening socket by, from this machine."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{here}]' if ':' in here else here}:{port}"


def _as_program(server: Server) -> Program:
    async def is_ready() -> bool:
        return await asyncio.to_thread(server.is_ready)

    return Program(
        server.name, server.arguments, server.environment,
        stop_signal=server.stop_signal, kill_signal=server.kill_signal, prepare=server.prepare, is_ready=is_ready, is_quiet=True,
    )  # fmt: skip


def _holdfast(
    name: str,
    *arguments: str,
    environment: Mapping[str, str],
    inherited: list[int] | None = None,
    ready_on: int | None = None,
    is_owner: bool = False,
) -> Program:
    """One of our own commands as a child; ready once it answers ``/livez`` on a port, where one is given."""

    async def answers() -> bool:
        return ready_on is None or await _is_alive(ready_on)

    command = [sys.executable, "-P", "-m", "holdfast", *arguments]
    whole = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
    if not is_owner:
        whole.pop("DATABASE_OWNER_URL", None)
    return Program(name, lambda: leashed(command, signal.SIGTERM), whole, is_ready=answers, inherited=inherited or [])


async def _is_alive(port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except OSError:
        return False


def _free_port(wanted: int) -> int:
    """``wanted`` on loopback if it is free, else any other.

    From 32768 on Linux takes ports for outgoing connections: one that is free now may be gone when the child listens on it.
    """
    others = (random.randrange(20_000, _OUTGOING_PORTS) for _ in range(50))  # noqa: S311 - nothing secret.
    for port in (*((wanted,) if wanted < _OUTGOING_PORTS else ()), *others, 0):
        with contextlib.suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port)) as taken:
            return int(taken.getsockname()[1])
    raise Fault("There is no free port on 127.0.0.1.")
