"""Who gets what: the pure part of a claim."""

from collections.abc import Mapping, Sequence

from holdfast.inventory.models import ClaimRequest, HoldId, Pool, PoolId, Shortage


def decide(requests: Sequence[ClaimRequest], pools: Mapping[PoolId, Pool]) -> tuple[list[ClaimRequest], dict[HoldId, Shortage]]:
    """Grant in order of arrival, all lines or none. A large request that does not fit does not block smaller ones behind it.

    ``pools`` are locked and fresh, lapsed holds on them given back. Two lines on one pool count together.
    """
    left = {pool.id: pool.free for pool in pools.values()}
    granted: list[ClaimRequest] = []
    refused: dict[HoldId, Shortage] = {}
    for request in requests:
        wanted: dict[PoolId, int] = {}
        for line in request.lines:
            wanted[line.pool] = wanted.get(line.pool, 0) + line.quantity
        shortage = _shortage(wanted, pools, left)
        if shortage is not None:
            refused[request.hold] = shortage
            continue
        for pool_id, quantity in wanted.items():
            left[pool_id] -= quantity
        granted.append(request)
    return granted, refused


def _shortage(wanted: Mapping[PoolId, int], pools: Mapping[PoolId, Pool], left: Mapping[PoolId, int]) -> Shortage | None:
    for pool_id, quantity in wanted.items():
        pool = pools.get(pool_id)
        if pool is None or pool.closed_at is not None:
            return Shortage(pool_id, free=0, closed=True)
        if quantity > left[pool_id]:
            return Shortage(pool_id, free=left[pool_id], closed=False)
    return None
