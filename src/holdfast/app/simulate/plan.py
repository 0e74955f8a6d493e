"""What is to be simulated, and how fast life goes."""

from pathlib import Path
from random import Random

from msgspec import Struct

NEEDED = 5
"""How often each behaviour must have happened in a run of a minute and more."""
JUDGED_FROM_S = 60.0
PHONES_MAX = 100_000


class Plan(Struct, frozen=True):
    """One day at the stations. ``base_url`` None: a world of its own. ``kill``: what is killed, in this order, at even distances."""

    drivers: int
    passengers: int
    seconds: float
    seed: int
    gtfs: Path | None = None
    base_url: str | None = None
    data: Path | None = None
    kill: tuple[str, ...] = ()

    @property
    def judges_behaviours(self) -> bool:
        return self.seconds >= JUDGED_FROM_S

    @property
    def trips_per_s(self) -> float:
        """How many trips begin in a second: about as many as the vehicles can take."""
        return min(max(0.1 * self.drivers, 4.0), self.passengers / 4.0)

    @property
    def pause_s(self) -> float:
        """How long a passenger rests on average between two trips."""
        return self.passengers / self.trips_per_s


def dice(*seed: object) -> Random:
    """What somebody's wishes are drawn from: the same for the same seed."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - nobody gains anything from guessing them.
