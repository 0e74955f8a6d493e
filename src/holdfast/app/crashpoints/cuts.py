"""Where a flow can be cut, and how."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

from msgspec import Struct


class Cut(StrEnum):
    """What goes wrong at a boundary."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    DROPPED_BEFORE = "dropped before"
    DROPPED_AFTER = "dropped after"
    LATE = "answer late"
    ERROR_THOUGH_DONE = "500, but done"


MEANT = {
    Cut.KILLED_BEFORE: "the process is ended by SIGKILL, and what it was about to send never leaves it",
    Cut.KILLED_AFTER: "the other side does it and answers, and the process is ended by SIGKILL before it reads that",
    Cut.DROPPED_BEFORE: "the connection ends, and what was sent never arrives",
    Cut.DROPPED_AFTER: "the other side does it, and the connection ends before the answer arrives",
    Cut.LATE: "the other side does it, and its answer comes after everybody who waits has given up",
    Cut.ERROR_THOUGH_DONE: "the gateway does it, and answers with status 500",
}
_BEFORE = (Cut.KILLED_BEFORE, Cut.DROPPED_BEFORE)
_KILLED = (Cut.KILLED_BEFORE, Cut.KILLED_AFTER)


class Boundary(Struct, frozen=True):
    """One exchange of a flow, by its place in it: a statement, a COMMIT or a call, and its answer."""

    number: int
    what: str
    is_call: bool

    @property
    def cuts(self) -> list[Cut]:
        """All that can go wrong here: only a gateway answers with a status."""
        return [cut for cut in Cut if self.is_call or cut is not Cut.ERROR_THOUGH_DONE]


class CutOff(Exception):
    """The connection over which this was sent is to end now, without an answer."""


class Knife:
    """Numbers the exchanges of a flow as they come, and cuts one of them."""

    def __init__(self, at: Boundary | None = None, cut: Cut | None = None) -> None:
        """Without ``at`` it only writes down what there is to cut."""
        self.seen: list[Boundary] = []
        self.has_cut = False
        self.victim = 0
        """The process whose exchanges are numbered."""
        self.held = asyncio.Event()
        """An answer is being kept back: whoever waits gives up now."""
        self.given_up = asyncio.Event()
        """Whoever waited has given up, and the answer may come."""
        self._at = at
        self._cut = cut
        self._is_open = True

    def sheathe(self) -> None:
        """The flow is over: what comes now is neither numbered nor cut."""
        self._is_open = False

    async def exchange(
        self, what: str, ask: Callable[[], Awaitable[bytes]], *, is_call: bool, gives_up: Callable[[], Awaitable[None]]
    ) -> bytes:
        """Send something and return its answer, unless this is where it is to be cut. Raises CutOff.

        ``gives_up`` returns when the program itself no longer waits for this answer.
        """
        cut = self._reach(what, is_call=is_call)
        if cut in _BEFORE:
            self._strike(cut)
        answer = await ask()
        if cut is Cut.LATE:
            self.held.set()
            await gives_up()
        elif cut is not None and cut is not Cut.ERROR_THOUGH_DONE:
            self._strike(cut)
        return _ERROR if cut is Cut.ERROR_THOUGH_DONE else answer

    def _reach(self, what: str, *, is_call: bool) -> Cut | None:
        if not self._is_open or self.has_cut:
            return None
        reached = Boundary(len(self.seen) + 1, what, is_call)
        self.seen.append(reached)
        if reached != self._at:
            return None
        self.has_cut = True
        return self._cut

    def _strike(self, cut: Cut) -> None:
        if cut in _KILLED:
            with suppress(ProcessLookupError):
                os.kill(self.victim, signal.SIGKILL)
        raise CutOff


_ERROR = b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
