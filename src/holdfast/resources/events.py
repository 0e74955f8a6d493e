"""What a kind announces when its owner stops selling or calls something off."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from holdfast.common.ids import Id
from holdfast.events import Event
from holdfast.inventory import PoolId


class OwnerId(Id, prefix="own"):
    """Whatever owns pools, where the kind stands beside it."""

    __slots__ = ()


class CallOffReason(StrEnum):
    DRIVER_CANCELLED = "DRIVER_CANCELLED"
    ADMIN_CANCELLED = "ADMIN_CANCELLED"


class SalesClosed(Event, frozen=True, kw_only=True):
    """Nothing more is sold of these pools: unpaid holds on them are to be given back."""

    subject: ClassVar[str] = "owner_id"
    kind: str
    owner_id: OwnerId
    pools: tuple[PoolId, ...]


class CalledOff(Event, frozen=True, kw_only=True):
    """It will not take place: every booking on these pools is to be cancelled and refunded."""

    subject: ClassVar[str] = "owner_id"
    kind: str
    owner_id: OwnerId
    pools: tuple[PoolId, ...]
    reason: CallOffReason


def owner(owner_id: UUID) -> OwnerId:
    return OwnerId.of(owner_id)
