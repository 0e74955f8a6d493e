"""How many units lines are of each pool, and how pools stand after they moved: what a transaction knows without reading again."""

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from holdfast.inventory.models import ClaimRequest, Line, MovedLine, Pool, PoolId


def quantities(lines: Iterable[Line | MovedLine]) -> Counter[PoolId]:
    """How much lines are of each pool."""
    found: Counter[PoolId] = Counter()
    for line in lines:
        found[line.pool] += line.quantity
    return found


def at_most(requests: Iterable[ClaimRequest]) -> Counter[PoolId]:
    """How much requests may take of each pool, whichever of their choices they get."""
    found: Counter[PoolId] = Counter()
    for request in requests:
        of_one = quantities(request.lines)
        for lines in request.or_else:
            of_one |= quantities(lines)
        found.update(of_one)
    return found


def after(pools: Mapping[PoolId, Pool], moved: Mapping[PoolId, int], *, held: int = 0, sold: int = 0) -> dict[PoolId, Pool]:
    """Locked pools as they stand after one statement of ours added ``held`` and ``sold`` times what moved, and one to their versions.

    Raises KeyError where something moved of a pool that is not among them, and so is not locked.
    """
    found = dict(pools)
    for pool_id, quantity in moved.items():
        pool = found[pool_id]
        found[pool_id] = msgspec.structs.replace(
            pool, held=pool.held + held * quantity, sold=pool.sold + sold * quantity, version=pool.version + 1
        )
    return found
