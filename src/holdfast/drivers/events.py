"""What is announced about drivers: ids and states, never the reason or the licence."""

from typing import ClassVar

from holdfast.common.actor import UserId
from holdfast.drivers.models import DriverId
from holdfast.events import Event


class DriverEvent(Event, frozen=True, kw_only=True):
    """``version`` is the profile's."""

    subject: ClassVar[str] = "driver_id"
    driver_id: DriverId
    user_id: UserId


class DriverApplied(DriverEvent, frozen=True, kw_only=True):
    """Somebody applied to drive, for the first time or again."""


class DriverApprovedByAdmin(DriverEvent, frozen=True, kw_only=True):
    """An admin approved: the person is a DRIVER from now on."""


class DriverRejectedByAdmin(DriverEvent, frozen=True, kw_only=True):
    """An admin rejected, with a reason that the person reads in the profile."""
