"""A state machine is a table: states, moves, and what each move that is not there is refused with."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from msgspec import Struct

from holdfast.common.errors import Refusal

S = TypeVar("S", bound=StrEnum)


class Move(Struct, Generic[S], frozen=True):
    """One way from a state to another, and what causes it."""

    start: S
    end: S
    by: str


class Machine(Generic[S]):
    """All moves of one kind of thing. ``docs/reference/states.md`` is printed from it, services ask it, one test walks every pair."""

    def __init__(self, *, name: str, initial: S, moves: tuple[Move[S], ...], refusals: Mapping[S, type[Refusal]]) -> None:
        """``refusals`` names, for each state with moves that are not there, how asking for one is refused."""
        self.name = name
        self.initial = initial
        self.moves = moves
        self.refusals = refusals
        self._ways = {(move.start, move.end) for move in moves}

    def allows(self, start: S, end: S) -> bool:
        return (start, end) in self._ways

    def move(self, start: S, *, to: S) -> S:
        """The state after the move. Raises the refusal of ``start`` where there is no such move."""
        if (start, to) in self._ways:
            return to
        raise self.refusals[start](status=start.value)

    def sources(self, end: S) -> tuple[S, ...]:
        """Every state from which one can come to ``end``."""
        return tuple(move.start for move in self.moves if move.end == end)
