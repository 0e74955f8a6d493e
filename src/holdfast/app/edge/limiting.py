"""How many requests one caller may make. A shield of this process, not a ledger: it counts here, in memory, and costs next to nothing.

What must be counted exactly and across processes (sign-in codes) is counted by ``holdfast.limits``.
"""

import math
import time
from collections.abc import Callable

from msgspec import Struct

WINDOW_S = 60
CALLERS_MAX = 200_000


class Standing(Struct, frozen=True):
    """Where a caller stands in the present window."""

    is_over: bool
    remaining: int
    resets_in_s: int


class Tally:
    """At most ``quota`` requests of each caller in a minute; all windows start together."""

    def __init__(self, quota: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self.policy = f'"default";q={quota};w={WINDOW_S}'.encode()
        self._clock = clock
        self._ends = 0.0
        self._counts: dict[object, int] = {}

    def count(self, caller: object) -> Standing:
        now = self._clock()
        if now >= self._ends or len(self._counts) > CALLERS_MAX:
            self._counts.clear()
            self._ends = now + WINDOW_S
        made = self._counts[caller] = self._counts.get(caller, 0) + 1
        return Standing(made > self.quota, max(self.quota - made, 0), math.ceil(self._ends - now))
