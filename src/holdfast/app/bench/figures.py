"""What was measured, as data: samples, rounds, and what becomes of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct


class Baseline(StrEnum):
    """What a scenario is compared with."""

    PGBENCH = "pgbench"
    SIGN_IN = "sign-in"
    HOLDS = "hold-spread"
    FEW_POOLS = "1,000 pools"
    QUIET = "before the storm"


class Cpu(Struct, frozen=True):
    """Shares of all processors of the machine, 0 to 1: the web server (or whoever ran the core), PostgreSQL, the load generator."""

    server: float
    postgres: float
    load: float


class Sample(Struct, frozen=True):
    """One run. ``rate`` is per second, counted in the database where it writes. ``note`` says what else is worth knowing.

    Percentiles are in milliseconds, None where nobody looked.
    """

    rate: float
    errors: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    cpu: Cpu | None = None
    note: str = ""


class Round(Struct, frozen=True):
    """One run of ours, and one of each baseline right after it."""

    ours: Sample
    baselines: Mapping[Baseline, Sample]


class Verdict(Struct, frozen=True):
    """What must hold of a scenario. ``at_least``: more is better."""

    what: str
    value: float
    bar: float
    aim: float
    at_least: bool = True
    unit: str = ""

    @property
    def is_met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    @property
    def is_aim_met(self) -> bool:
        return self.value >= self.aim if self.at_least else self.value <= self.aim


class Measured(Struct, frozen=True):
    """A scenario after all its rounds. ``compared_with`` is the baseline that its bar is about."""

    name: str
    meaning: str
    unit: str
    compared_with: Baseline
    rounds: Sequence[Round]
    verdicts: Sequence[Verdict]
    violations: Sequence[str]
    notes: Sequence[str] = ()

    @property
    def rate(self) -> float:
        return median(each.ours.rate for each in self.rounds)

    @property
    def baseline(self) -> float:
        return self.rate_of(self.compared_with)

    @property
    def ratio(self) -> float:
        return self.rate / self.baseline if self.baseline else 0.0

    @property
    def errors(self) -> int:
        """Those of ours and of the baselines: with either, the figures mean nothing."""
        return sum(each.ours.errors + sum(sample.errors for sample in each.baselines.values()) for each in self.rounds)

    @property
    def has_failed(self) -> bool:
        """Whether something went wrong. A bar that is not met is no failure: it is what the figures are there to say."""
        return bool(self.errors or self.violations)

    def rate_of(self, baseline: Baseline) -> float:
        return median(each.baselines[baseline].rate for each in self.rounds)

    def percentile(self, name: str) -> float | None:
        """The median over the rounds of ``p50_ms``, ``p95_ms`` or ``p99_ms``."""
        found = [value for each in self.rounds if (value := getattr(each.ours, name)) is not None]
        return median(found) if found else None

    def cpu(self) -> Cpu | None:
        found = [each.ours.cpu for each in self.rounds if each.ours.cpu is not None]
        if not found:
            return None
        return Cpu(median(c.server for c in found), median(c.postgres for c in found), median(c.load for c in found))


def median(values: Iterable[float]) -> float:
    """The median; with an even count the mean of the two in the middle. Raises StatisticsError without values."""
    return float(statistics.median(values))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of ``ordered``, ascending, that is no less than ``share`` of them: the nearest rank, never a value in between."""
    if not ordered:
        raise ValueError("no percentile of nothing")
    rank = -(-len(ordered) * share // 1)
    return ordered[max(int(rank), 1) - 1]
