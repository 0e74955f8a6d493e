"""The world in which a day is simulated: one of its own, which is taken down afterwards, or one that runs already."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import psutil

from holdfast.app.check.examination import Examination
from holdfast.app.check.program import examine_program
from holdfast.app.faults import Fault
from holdfast.app.running import Running, find_running
from holdfast.app.settings import load_settings, settings_of
from holdfast.app.simulate.plan import Plan
from holdfast.config import Settings

DEFAULT_FARE = "7.50"
READY_WITHIN_S = 120.0
BACK_WITHIN_S = 60.0
STOPPED_WITHIN_S = 30.0
_SETTINGS = {"HOLDFAST_HOLD_SECONDS": "20", "HOLDFAST_LOG_LEVEL": "warning"}
_READY = "Holdfast is ready"
_NOT_INHERITED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "HOLDFAST_SANDBOX_GATEWAY_URL", "HOLDFAST_PUBLIC_URL")
# How a child of `up` is told by its command line.
_CHILDREN = {"web": "serve", "worker": "worker", "redis": "redis-server", "postgres": "postgres", "sandbox": "sandbox"}
_ERROR = re.compile(r"\[(error|critical) *\]|Traceback \(most recent call last\)")
_OUR_ERROR = re.compile(r"(consumer|loop|work|feed|wish)_failed|event_not_said|client_not_told|nobody foresaw")
# What the sandbox was asked to do.
_EXPECTED = re.compile(r"refund_declined")
_INVITATION = re.compile(r"\{.*\}")

Say = Callable[[str], None]


class World:
    """An installation that runs. ``directory`` is its data directory, None where DATABASE_URL says where it is."""

    def __init__(
        self, base_url: str, settings: Settings, directory: Path | None, *, pid: int | None = None, log: Path | None = None
    ) -> None:
        """``pid``: the `up` that is ours to watch and to hurt; ``log``: what it prints."""
        self.base_url = base_url
        self.settings = settings
        self.directory = directory
        self._pid = pid
        self._log = log
        self.keeps_its_log = False
        """Set where somebody should look at it."""

    async def invite_admin(self, phone: str) -> tuple[str, str]:
        """Make an admin; returns the challenge and the code to sign in with. Raises Fault."""
        printed = await run_command("create-admin", phone, *self._data())
        found = _INVITATION.search(printed)
        if found is None:
            raise Fault(f"create-admin printed no invitation:\n{printed}")
        invitation = msgspec.json.decode(found[0].encode(), type=dict[str, str])
        return invitation["challengeId"], invitation["code"]

    async def import_gtfs(self, feed: Path) -> None:
        """Put a city in. Raises Fault."""
        await run_command("import-gtfs", str(feed), "--default-fare", DEFAULT_FARE, *self._data())

    async def examine(self) -> Examination:
        """Ask all invariants, when nothing is on its way any more."""
        return await examine_program(self.settings, settled_grace=timedelta(0))

    def web_memory(self) -> int | None:
        """Resident bytes of the web server; None where it is not ours to see."""
        child = self._child("web")
        with contextlib.suppress(psutil.Error):
            return child.memory_info().rss if child is not None else None
        return None

    async def kill(self, name: str) -> float | None:
        """kill -9 one of the servers; returns after how many seconds another one was there, None where none came."""
        killed = self._child(name)
        if killed is None:
            return None
        began = time.monotonic()
        killed.send_signal(signal.SIGKILL)
        while time.monotonic() - began < BACK_WITHIN_S:
            await asyncio.sleep(0.05)
            child = self._child(name)
            if child is not None and child.pid != killed.pid:
                return time.monotonic() - began
        return None

    def alarms(self, *, was_hurt: bool) -> list[str]:
        """Errors in the log. Where servers were killed, only our own: libraries may complain."""
        if self._log is None:
            return []
        wanted = _OUR_ERROR if was_hurt else _ERROR
        return [line for line in self._log.read_text(errors="replace").splitlines() if wanted.search(line) and not _EXPECTED.search(line)]

    def _child(self, name: str) -> psutil.Process | None:
        if self._pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._pid).children():
                with contextlib.suppress(psutil.Error):
                    if child.status() != psutil.STATUS_ZOMBIE and _is_called(child.cmdline(), _CHILDREN[name]):
                        return child
        return None

    def _data(self) -> list[str]:
        return [] if self.directory is None else ["--data", str(self.directory)]


@asynccontextmanager
async def open_world(plan: Plan, say: Say) -> AsyncIterator[World]:
    """A world to simulate in. Raises Fault."""
    if plan.base_url is not None:
        settings = settings_of(plan.data)
        world = World(plan.base_url, settings, plan.data)
        if plan.gtfs is not None:
            await world.import_gtfs(plan.gtfs)
        yield world
        return
    directory = _make_directory()
    log = directory / "up.log"
    say("starting a world of its own ...")
    try:
        async with _up(plan, directory / "data", log) as world:
            if plan.gtfs is not None:
                say(f"importing {plan.gtfs} ...")
                await world.import_gtfs(plan.gtfs)
            yield world
            if world.keeps_its_log:
                say(f"its log: {_keep(log)}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _keep(log: Path) -> Path:
    kept = Path(tempfile.gettempdir()) / f"{log.parent.name}.log"
    shutil.copyfile(log, kept)
    return kept


def _make_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="holdfast-simulate-"))
    # As root, PostgreSQL runs as nobody, who must be able to pass.
    directory.chmod(0o711)
    return directory


@asynccontextmanager
async def _up(plan: Plan, data: Path, log: Path) -> AsyncIterator[World]:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    environment |= _SETTINGS
    command = [sys.executable, "-P", "-m", "holdfast", "up", "--port", "0", "--data", str(data), *(["--demo"] if plan.gtfs is None else [])]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        running = await _until_ready(process, data, log)
        settings = load_settings(**running.environment, **_SETTINGS)
        yield World(running.base_url, settings, data, pid=running.pid, log=log)
    finally:
        await _stop(process)


async def _until_ready(process: asyncio.subprocess.Process, data: Path, log: Path) -> Running:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while _READY not in (printed := await asyncio.to_thread(log.read_text, errors="replace")):
        if process.returncode is not None or time.monotonic() > give_up_at:
            raise Fault(f"`up` did not become ready:\n{printed[-3000:]}")
        await asyncio.sleep(0.1)
    return find_running(data)


async def _stop(process: asyncio.subprocess.Process) -> None:
    for ending in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(ending)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOPPED_WITHIN_S):
                await process.wait()


async def run_command(*arguments: str) -> str:
    """One of our own commands; returns what it printed. Raises Fault where it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "holdfast", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    if process.returncode != 0:
        raise Fault(f"holdfast {' '.join(arguments)} failed:\n{printed.decode(errors='replace')[-3000:]}")
    return printed.decode(errors="replace")


def _is_called(command: list[str], word: str) -> bool:
    if not command:
        return False
    # Our own are `python -m holdfast WORD ...`; of others the program's own name says it.
    return word in command[1:] if "holdfast" in command else Path(command[0].split(":")[0].split(" ")[0]).name == word
