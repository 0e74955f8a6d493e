"""What is wrong with a feed, all of it, and where."""

from collections.abc import Sequence

from msgspec import Struct

KEPT_MAX = 1_000
"""A feed in the wrong encoding has a fault in every line; nobody reads more than this."""


class Fault(Struct, frozen=True):
    """One thing that is wrong. Lines count from 1, the header's; 0 is the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class FeedFaulty(Exception):
    """The feed has faults, so nothing of it is taken."""

    def __init__(self, faults: Sequence[Fault], count: int) -> None:
        self.faults = faults
        self.count = count
        super().__init__(f"the feed has {count} faults")


class Faults:
    """Collects faults while a feed is read."""

    def __init__(self) -> None:
        self.kept: list[Fault] = []
        self.count = 0

    def note(self, file: str, line: int, message: str) -> None:
        self.count += 1
        if len(self.kept) < KEPT_MAX:
            self.kept.append(Fault(file, line, message))

    def refuse_if_any(self) -> None:
        """Raises FeedFaulty."""
        if self.count:
            raise FeedFaulty(self.kept, self.count)
