"""What is to be measured."""

from pathlib import Path

from msgspec import Struct


class Plan(Struct, frozen=True):
    """``seconds`` is the length of each run; a round is one run of ours and one of each baseline, and there are ``rounds`` of them.

    ``scale``: 1 for figures that count. Tests take less of everything whose number is part of a scenario.
    """

    rounds: int = 5
    seconds: float = 5.0
    connections: int = 64
    only: tuple[str, ...] = ()
    data: Path | None = None
    json: Path | None = None
    charts: bool = False
    scale: float = 1.0

    def scaled(self, number: int) -> int:
        return max(int(number * self.scale), 1)


class Spread(Struct, frozen=True):
    """How requests are spread over what can be asked for: ``hot_share`` of them over the first ``hot_targets``, the others over all."""

    hot_targets: int = 0
    hot_share: float = 0.0


EVEN = Spread()
