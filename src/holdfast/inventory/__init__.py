"""The core: takes and gives back units of pools. Knows nothing of buses, hotels, users or money."""

from holdfast.inventory.counting import after, quantities
from holdfast.inventory.models import (
    CapacityInUse,
    Change,
    ChangeRefused,
    Claim,
    ClaimRequest,
    Free,
    Hold,
    HoldId,
    Line,
    MovedLine,
    NewPool,
    Pool,
    PoolId,
    Shortage,
)
from holdfast.inventory.repository import POOL_WAIT_MS
from holdfast.inventory.seating import best_adjacent
from holdfast.inventory.service import HoldOwner, Inventory

__all__ = [
    "POOL_WAIT_MS",
    "CapacityInUse",
    "Change",
    "ChangeRefused",
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
    "after",
    "best_adjacent",
    "quantities",
]
