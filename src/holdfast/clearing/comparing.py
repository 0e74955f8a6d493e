"""What two lists of the same money do not agree on: pure, so that every case is a line of a test."""

from collections import defaultdict
from collections.abc import Sequence

from holdfast.clearing.models import DifferenceKind, Found, Moved, MovementKind, SettlementLine

Key = tuple[MovementKind, str]


def compare(ours: Sequence[Moved], theirs: Sequence[Moved]) -> list[Found]:
    """Every difference, in a stable order. An amount that differs is told and never made equal."""
    here, there = _by_key(ours), _by_key(theirs)
    found: list[Found] = []
    for key in sorted({*here, *there}):
        found += _judge(key, here.get(key, []), there.get(key, []))
    return found


def miscounted(lines: Sequence[SettlementLine]) -> list[Found]:
    """Lines in which gross less fee is not net."""
    return [
        Found(DifferenceKind.FEE, line.kind, line.reference, line.currency, ours=line.gross - line.fee, theirs=line.net)
        for line in lines
        if line.gross - line.fee != line.net
    ]


def _by_key(moved: Sequence[Moved]) -> dict[Key, list[Moved]]:
    found: defaultdict[Key, list[Moved]] = defaultdict(list)
    for each in moved:
        found[each.kind, each.subject].append(each)
    return found


def _judge(key: Key, here: Sequence[Moved], there: Sequence[Moved]) -> list[Found]:
    movement, subject = key
    if not there:
        return [Found(DifferenceKind.MISSING_THERE, movement, subject, each.currency, ours=each.minor) for each in here if each.is_due]
    first = there[0]
    found = []
    if len(there) > 1:
        listed = sum(each.minor for each in there)
        found.append(Found(DifferenceKind.DUPLICATE, movement, subject, first.currency, ours=first.minor, theirs=listed))
    if not here:
        missing = Found(DifferenceKind.MISSING_HERE, movement, subject, first.currency, theirs=first.minor)
        return [*found, missing] if first.is_due else found
    ours = here[0]
    if ours.currency != first.currency:
        found.append(Found(DifferenceKind.OTHER_CURRENCY, movement, subject, first.currency, ours=ours.minor, theirs=first.minor))
    elif ours.minor != first.minor:
        found.append(Found(DifferenceKind.OTHER_AMOUNT, movement, subject, first.currency, ours=ours.minor, theirs=first.minor))
    return found
