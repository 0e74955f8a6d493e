"""The last stretch of the log, in memory: whoever was away for a moment is told from here what they missed."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct

from holdfast.events import LogPosition, Recorded
from holdfast.realtime.repository import Whereabouts

SIZE_MAX = 3_000
_TRIMMED = 500


class Kept(Struct, frozen=True):
    """An event that is said in these rooms, and where the session is that it is about."""

    recorded: Recorded
    where: Whereabouts | None
    rooms: frozenset[str]


class Window:
    """Everything that is said anywhere between ``since`` and the present position of the feed, in log order."""

    def __init__(self, since: LogPosition) -> None:
        self.since = since
        self._kept: list[Kept] = []

    def append(self, kept: Kept) -> None:
        """Add the newest; what is oldest goes, in slices."""
        self._kept.append(kept)
        if len(self._kept) >= SIZE_MAX + _TRIMMED:
            self.since = self._kept[_TRIMMED - 1].recorded.at
            del self._kept[:_TRIMMED]

    def prepend(self, since: LogPosition, kept: Iterable[Kept]) -> bool:
        """Reach back to ``since`` with all that was said from there on. False, and nothing changes, where it is too much."""
        older = [each for each in kept if each.recorded.at <= self.since]
        if len(older) + len(self._kept) > SIZE_MAX:
            return False
        self._kept[:0] = older
        self.since = since
        return True

    def after(self, position: LogPosition) -> Sequence[Kept]:
        """What came after a place that is not before ``since``."""
        return self._kept[bisect_right(self._kept, position, key=lambda kept: kept.recorded.at) :]
