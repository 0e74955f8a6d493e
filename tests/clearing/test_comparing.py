"""Two lists of the same money, case by case."""

import pytest

from holdfast.clearing.comparing import compare
from holdfast.clearing.models import REMEDIES, DifferenceKind, Found, Moved, MovementKind

CAPTURE, REFUND = MovementKind.CAPTURE, MovementKind.REFUND


def moved(minor: int = 3100, *, subject: str = "a", currency: str = "EGP", kind: MovementKind = CAPTURE, is_due: bool = True) -> Moved:
    return Moved(kind, subject, currency, minor, is_due)


def found(kind: DifferenceKind, ours: int | None, theirs: int | None, *, currency: str = "EGP") -> Found:
    return Found(kind, CAPTURE, "a", currency, ours, theirs)


CASES = {
    "nothing": ([], [], []),
    "the same": ([moved()], [moved()], []),
    "missing here": ([], [moved()], [found(DifferenceKind.MISSING_HERE, None, 3100)]),
    "missing there": ([moved()], [], [found(DifferenceKind.MISSING_THERE, 3100, None)]),
    "too young to be missed here": ([], [moved(is_due=False)], []),
    "too young to be missed there": ([moved(is_due=False)], [], []),
    "another amount, however young": ([moved(is_due=False)], [moved(3099)], [found(DifferenceKind.OTHER_AMOUNT, 3100, 3099)]),
    "another currency": ([moved()], [moved(currency="USD")], [found(DifferenceKind.OTHER_CURRENCY, 3100, 3100, currency="USD")]),
    "twice": ([moved()], [moved(), moved()], [found(DifferenceKind.DUPLICATE, 3100, 6200)]),
    "twice and none of ours": (
        [],
        [moved(), moved()],
        [found(DifferenceKind.DUPLICATE, 3100, 6200), found(DifferenceKind.MISSING_HERE, None, 3100)],
    ),
    "a refund is no capture": (
        [moved()],
        [moved(kind=REFUND)],
        [found(DifferenceKind.MISSING_THERE, 3100, None), Found(DifferenceKind.MISSING_HERE, REFUND, "a", "EGP", None, 3100)],
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "differences"), CASES.values(), ids=CASES.keys())
def test_what_differs(ours: list[Moved], theirs: list[Moved], differences: list[Found]) -> None:
    assert compare(ours, theirs) == differences


def test_each_kind_says_whose_it_is_and_what_to_do() -> None:
    assert set(REMEDIES) == set(DifferenceKind)
