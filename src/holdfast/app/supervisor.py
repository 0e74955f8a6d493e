"""Keeps child processes running: shows their lines, starts again what dies, and in the end leaves none behind."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.app.faults import Fault

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 10.0
STEADY_S = 10.0
_POLL_S = 0.02
_LINE_MAX = 16_384
_LAST_LINES = 15

Show = Callable[[str, str], None]


async def _at_once() -> bool:
    return True


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Program:
    """A child to be kept running."""

    name: str
    arguments: Callable[[], Sequence[str]]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    # For when it does not heed the first one.
    kill_signal: signal.Signals = signal.SIGKILL
    # Called before every start, in a thread: takes away what a crash left behind.
    prepare: Callable[[], None] = _nothing
    # Asked until it says yes; whoever starts the program waits for that.
    is_ready: Callable[[], Awaitable[bool]] = _at_once
    # Its lines are shown only when it ends by itself: a server that keeps a log of its own.
    is_quiet: bool = False
    inherited: Sequence[int] = ()


@dataclass(slots=True)
class _Child:
    program: Program
    keeper: asyncio.Task[None] | None = None
    process: Process | None = None
    first_ready: asyncio.Event = field(default_factory=asyncio.Event)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))


class Supervisor:
    """The children of one ``up``. Use it as a context; whatever happens inside, none of them outlives it."""

    def __init__(self, show: Show, explain: Callable[[str, str], Fault]) -> None:
        """``show(name, line)`` prints a line; ``explain(what, output)`` makes a Fault of what a program printed last."""
        self._show = show
        self._explain = explain
        self._children: list[_Child] = []
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, program: Program) -> None:
        """Start a program and wait until it is ready; from then on it is started again whenever it ends.

        Raises Fault where it ends, or does not become ready, the first time.
        """
        child = _Child(program)
        self._children.append(child)
        child.keeper = asyncio.create_task(self._keep(child), name=program.name)
        ready = asyncio.create_task(child.first_ready.wait())
        await asyncio.wait([child.keeper, ready], return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if child.keeper.done():
            await child.keeper

    async def run_once(self, program: Program) -> None:
        """Run a program to its end. Raises Fault where it fails."""
        child = _Child(program)
        self._children.append(child)
        try:
            process = await self._spawn(child)
            await self._copy_lines(child, process)
            code = await process.wait()
        finally:
            await self._end(child)
            self._children.remove(child)
        if code != 0:
            raise self._explain(f"{program.name} failed", "\n".join(child.last_lines))

    async def stop(self) -> None:
        """Stop every child, the last started first, and wait until each is gone."""
        self._stopping.set()
        for child in reversed(self._children):
            await self._end(child)
            if child.keeper is not None:
                child.keeper.cancel()
                await asyncio.wait([child.keeper])
                if not child.keeper.cancelled():
                    # Read, so that it is not reported as forgotten: `start` has raised it already.
                    child.keeper.exception()

    def kill(self) -> None:
        """End every child at once; for the impatient, who press Ctrl-C twice."""
        for child in self._children:
            if child.process is not None and child.process.returncode is None:
                child.process.send_signal(child.program.kill_signal)

    async def _keep(self, child: _Child) -> None:
        program = child.program
        pause = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                ending = await self._run(child)
            except (Fault, OSError) as error:
                if not child.first_ready.is_set():
                    raise
                ending = str(error)
            if self._stopping.is_set():
                return
            if not child.first_ready.is_set():
                raise self._explain(f"{program.name} did not start ({ending})", "\n".join(child.last_lines))
            if program.is_quiet and not ending.startswith("signal"):
                for line in child.last_lines:
                    self._show(program.name, line)
            if time.monotonic() - began > STEADY_S:
                pause = BACKOFF_FIRST_S
            self._show(program.name, f"ended ({ending}); starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX_S)

    async def _run(self, child: _Child) -> str:
        """One life of a child; returns how it ended."""
        program = child.program
        await asyncio.to_thread(program.prepare)
        child.last_lines.clear()
        process = await self._spawn(child)
        lines = asyncio.create_task(self._copy_lines(child, process))
        try:
            await self._await_readiness(child, process)
            code = await process.wait()
        finally:
            # A grandchild may hold the pipe open after the child is gone.
            await asyncio.wait([lines], timeout=1.0)
            lines.cancel()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def _await_readiness(self, child: _Child, process: Process) -> None:
        program = child.program
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.returncode is None:
            if await program.is_ready():
                if child.first_ready.is_set():
                    self._show(program.name, "runs again")
                child.first_ready.set()
                return
            if time.monotonic() > deadline:
                await self._end(child)
                raise self._explain(f"{program.name} was not ready within {START_TIMEOUT_S:.0f} s", "\n".join(child.last_lines))
            await asyncio.sleep(_POLL_S)

    async def _spawn(self, child: _Child) -> Process:
        program = child.program
        # A session of its own, so that Ctrl-C reaches only us, and we stop the children in order.
        child.process = await asyncio.create_subprocess_exec(
            *program.arguments(),
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT,
            env=dict(program.environment), cwd="/" if program.is_quiet else None,
            pass_fds=program.inherited, start_new_session=True,
        )  # fmt: skip
        return child.process

    async def _copy_lines(self, child: _Child, process: Process) -> None:
        async for line in _lines(process):
            child.last_lines.append(line)
            if not child.program.is_quiet:
                self._show(child.program.name, line)

    async def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        for ending in (child.program.stop_signal, child.program.kill_signal):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(ending)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
                return


async def _lines(process: Process) -> AsyncIterator[str]:
    """The lines that a child prints; a line without end is cut, never waited for."""
    if process.stdout is None:
        return
    rest = b""
    while chunk := await process.stdout.read(65_536):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line[:_LINE_MAX].decode(errors="replace")
        if len(rest) > _LINE_MAX:
            yield rest[:_LINE_MAX].decode(errors="replace")
            rest = b""
    if rest:
        yield rest.decode(errors="replace")


def own_environment(**changed: str) -> dict[str, str]:
    """Our environment with some variables changed; an empty value is passed on as empty."""
    return {**os.environ, **changed}
