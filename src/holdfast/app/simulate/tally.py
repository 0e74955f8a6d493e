"""What happened, counted."""

from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

FAULTS_SHOWN = 20


class Tally:
    """The counters of one run. Everybody in the town writes into it."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.faults: list[str] = []
        self.fault_count = 0
        self._latencies: dict[str, array[float]] = {}

    def answered(self, what: str, status: int, seconds: float) -> None:
        self.answers[status] += 1
        self._latencies.setdefault(what, array("d")).append(seconds)

    def fault(self, what: str) -> None:
        """Something that must not be. The run fails."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(what)

    @contextmanager
    def under_way(self, behaviour: str) -> Iterator[None]:
        """While somebody behaves so; whether it came to that is for him to say in ``happened``."""
        self.running[behaviour] += 1
        try:
            yield
        finally:
            self.running[behaviour] -= 1

    @property
    def requests(self) -> int:
        return self.answers.total() + self.unanswered.total()

    def operations(self) -> list[str]:
        return sorted(self._latencies)

    def count(self, what: str) -> int:
        return len(self._latencies.get(what, ()))

    def percentiles(self, what: str, *wanted: float) -> list[float]:
        """Milliseconds; of nothing it is 0."""
        ordered = sorted(self._latencies.get(what, ()))
        return [ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 if ordered else 0.0 for share in wanted]
