"""What was sent and has not come back, and when all of it is at rest.

Whoever waits in the server for a row is woken together with all others who do, and who of them gets it is a race of processes: the
first in the queue gives up its place in it before it takes the row's new version. So here whoever waits is stopped, as a process, and
goes on in the order in which they were sent.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

# So many rounds of the loop in which nobody did anything: the wires are looked at in each.
IDLE_ROUNDS = 4
LOOK_AGAIN_S = 0.002

Back = asyncio.Future[None]


class UnderWay:
    """Statements and connections that are waited for."""

    def __init__(self, control: psycopg.AsyncConnection[Any]) -> None:
        """``control`` is a superuser's connection outside of all this."""
        self._control = control
        # In the order in which they were sent.
        self._sent: dict[Back, psycopg.AsyncConnection[Any] | None] = {}
        # With the number of the server's process.
        self._stopped: dict[Back, int] = {}

    @contextmanager
    def until_back(self, pg: psycopg.AsyncConnection[Any] | None) -> Iterator[None]:
        """Something is sent inside; over ``pg``, where it may have to wait for a lock."""
        back: Back = asyncio.get_running_loop().create_future()
        self._sent[back] = pg
        try:
            yield
        finally:
            del self._sent[back]
            self._stopped.pop(back, None)
            back.set_result(None)

    async def rest(self) -> None:
        """Wait until each has come back, or waits in the server for what only another turn can give it."""
        await self._settle()
        while woken := await self._woken():
            self._let_go_on(woken[0])
            await self._settle()

    async def break_circle(self) -> list[str]:
        """Where nobody is left who could give anybody a lock, those who wait do so for each other: the first of them is cancelled.

        Says who they are; nothing where nobody waits.
        """
        if not self._stopped:
            return []
        asked = (
            "SELECT format('%%s waits for %%s: %%s', pid, pg_blocking_pids(pid), regexp_replace(left(query, 100), '\\s+', ' ', 'g'))"
            "  FROM pg_stat_activity WHERE pid = ANY(%s)"
        )
        circle = [row[0] for row in await (await self._control.execute(asked, (list(self._stopped.values()),))).fetchall()]
        first = next(back for back in self._sent if back in self._stopped)
        await self._control.execute("SELECT pg_cancel_backend(%s)", (self._stopped[first],))
        self._let_go_on(first)
        return circle

    def let_all_go_on(self) -> None:
        """So that everything can end."""
        for back in list(self._stopped):
            self._let_go_on(back)

    async def _settle(self) -> None:
        while True:
            idle = 0
            while idle < IDLE_ROUNDS:
                await asyncio.sleep(0)
                idle = 0 if _loop_has_work() else idle + 1
            running = [back for back in self._sent if back not in self._stopped]
            if not running:
                return
            await asyncio.wait(running, timeout=LOOK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
            if any(back.done() for back in running) or len(await self._blocked(running)) < len(running):
                continue
            if [back for back in self._sent if back not in self._stopped] == running:
                for back in running:
                    self._stop(back)
                return

    async def _woken(self) -> Sequence[Back]:
        """Those that are stopped and have got what they waited for."""
        stopped = [back for back in self._sent if back in self._stopped]
        blocked = await self._blocked(stopped) if stopped else set()
        return [back for back in stopped if back not in blocked]

    async def _blocked(self, backs: Sequence[Back]) -> set[Back]:
        """Those of them that wait for a lock that somebody has."""
        pids = {pg.info.backend_pid: back for back in backs if (pg := self._sent.get(back)) is not None and not pg.closed}
        asked = "SELECT pid FROM unnest(%s::integer[]) AS pid WHERE cardinality(pg_blocking_pids(pid)) > 0"
        return {pids[pid] for (pid,) in await (await self._control.execute(asked, (list(pids),))).fetchall()}

    def _stop(self, back: Back) -> None:
        pg = self._sent[back]
        assert pg is not None, "only what waits for a lock is stopped"
        self._stopped[back] = pg.info.backend_pid
        os.kill(pg.info.backend_pid, signal.SIGSTOP)

    def _let_go_on(self, back: Back) -> None:
        _continue(self._stopped.pop(back))


def let_go_on(pg: psycopg.AsyncConnection[Any]) -> None:
    """The server's process of a connection goes on, if it was stopped."""
    _continue(pg.info.backend_pid)


def _continue(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def _loop_has_work() -> bool:
    # There is no public way to ask, and a number of rounds that is enough today is not enough tomorrow.
    return bool(asyncio.get_running_loop()._ready)  # type: ignore[attr-defined]
