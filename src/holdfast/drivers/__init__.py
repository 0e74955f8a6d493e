"""People who drive: they apply, and an admin approves or rejects."""

from holdfast.drivers.models import Driver, DriverId

__all__ = ["Driver", "DriverId"]
