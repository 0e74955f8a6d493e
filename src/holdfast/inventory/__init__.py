"""The core: takes and gives back units of pools. Knows nothing of buses, hotels, users or money."""

from holdfast.inventory.models import Claim, ClaimRequest, Free, Hold, HoldId, Line, MovedLine, NewPool, Pool, PoolId, Shortage
from holdfast.inventory.service import HoldOwner, Inventory

__all__ = [
    "Claim",
    "ClaimRequest",
    "Free",
    "Hold",
    "HoldId",
    "HoldOwner",
    "Inventory",
    "Line",
    "MovedLine",
    "NewPool",
    "Pool",
    "PoolId",
    "Shortage",
]
