"""Who gets what: the pure part of a claim."""

from collections.abc import Mapping, Sequence

import msgspec

from holdfast.inventory.counting import quantities
from holdfast.inventory.models import ClaimRequest, HoldId, Line, Pool, PoolId, Shortage


def decide(requests: Sequence[ClaimRequest], pools: Mapping[PoolId, Pool]) -> tuple[list[ClaimRequest], dict[HoldId, Shortage]]:
    """Grant in order of arrival, all lines or none. A large request that does not fit does not block smaller ones behind it.

    ``pools`` are locked and fresh; a lapsed hold that was not given back counts as held. Two lines on one pool count together.
    What is granted comes back with the lines that it got: the first of its choices that fits.
    """
    left = {pool.id: pool.free for pool in pools.values()}
    granted: list[ClaimRequest] = []
    refused: dict[HoldId, Shortage] = {}
    for request in requests:
        lines = next((lines for lines in request.choices if _shortage(lines, pools, left) is None), None)
        if lines is None:
            refused[request.hold] = _shortage_of_all(request, pools, left)
            continue
        for line in lines:
            left[line.pool] -= line.quantity
        granted.append(request if lines is request.lines else msgspec.structs.replace(request, lines=lines, or_else=()))
    return granted, refused


def _shortage(lines: Sequence[Line], pools: Mapping[PoolId, Pool], left: Mapping[PoolId, int]) -> Shortage | None:
    """What these lines cannot have, None where they can be had."""
    for pool_id, quantity in quantities(lines).items():
        pool = pools.get(pool_id)
        if pool is None or pool.closed_at is not None:
            return Shortage(pool_id, free=0, closed=True)
        if quantity > left[pool_id]:
            return Shortage(pool_id, free=left[pool_id], closed=False)
    return None


def _shortage_of_all(request: ClaimRequest, pools: Mapping[PoolId, Pool], left: Mapping[PoolId, int]) -> Shortage:
    """Why nothing of a request can be had; where there were several choices, with what all of their open pools have left."""
    shortages = [shortage for lines in request.choices if (shortage := _shortage(lines, pools, left))]
    if not request.or_else:
        return shortages[0]
    free = sum(left[pool_id] for pool_id in request.pools if pool_id in pools and pools[pool_id].closed_at is None)
    return Shortage(shortages[0].pool, free=free, closed=all(shortage.closed for shortage in shortages))
