"""Which numbered seats to offer: the best ones beside each other. A numbered seat is a pool of one unit."""

from collections.abc import Collection, Sequence

from holdfast.inventory.models import Line, PoolId

CHOICES_MAX = 40
"""A claim locks the pools of all its choices, so more of them make it slower than they make it likelier."""


def best_adjacent(
    rows: Sequence[Sequence[PoolId]], free: Collection[PoolId], quantity: int, *, choices_max: int = CHOICES_MAX
) -> list[tuple[Line, ...]]:
    """Seats beside each other, the best first, as the choices of a claim; none where nowhere so many are free together.

    ``rows`` are seats side by side, the best row first; an aisle ends a row. ``free`` is what was free a moment ago: the claim
    judges it anew under its locks, and takes the first choice that still fits. A choice that would leave a single seat alone
    comes after all that do not, because that seat would be hard to sell; otherwise one row further back counts like one
    seat further from the middle.
    """
    available = frozenset(free)
    found = [
        (_leaves_one_alone(seats, available, start, quantity), row + abs(start - (len(seats) - quantity) / 2), row, start)
        for row, seats in enumerate(rows)
        for start in range(len(seats) - quantity + 1)
        if available.issuperset(seats[start : start + quantity])
    ]
    return [tuple(Line(pool, 1) for pool in rows[row][start : start + quantity]) for _, _, row, start in sorted(found)[:choices_max]]


def _leaves_one_alone(seats: Sequence[PoolId], available: Collection[PoolId], start: int, quantity: int) -> bool:
    def is_free(place: int) -> bool:
        return 0 <= place < len(seats) and seats[place] in available

    left, right = start - 1, start + quantity
    return (is_free(left) and not is_free(left - 1)) or (is_free(right) and not is_free(right + 1))
