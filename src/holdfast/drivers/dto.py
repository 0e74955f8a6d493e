"""Drivers on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.drivers.models import SEATS_MAX, Driver, Licensed
from holdfast.drivers.states import VerificationStatus

VehicleNumber = Annotated[
    str, Meta(min_length=2, max_length=30, pattern=r"\S", description="What stands on the plate.", examples=["س ج ط 1234"])
]
VehicleType = Annotated[str, Meta(min_length=1, max_length=40, pattern=r"\S", examples=["microbus"])]
LicenseNumber = Annotated[
    str, Meta(min_length=4, max_length=40, pattern=r"^\S+( \S+)*$", description="Of the driving licence.", examples=["29001011234567"])
]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S", examples=["The licence has expired."])]


class ApplyRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What you drive, and your licence. ``totalSeats`` are those for passengers."""

    vehicle_number: VehicleNumber
    license_number: LicenseNumber
    vehicle_type: VehicleType = "microbus"
    total_seats: Annotated[int, Meta(ge=1, le=SEATS_MAX)] = 14


class RejectRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why, in words that the driver will read."""

    reason: Reason


class DriverView(Struct, frozen=True, rename="camel"):
    """A driver. ``rejectionReason`` says what to mend before applying again."""

    id: str
    user_id: str
    vehicle_number: str
    vehicle_type: str
    total_seats: int
    verification_status: VerificationStatus
    rejection_reason: str | None
    decided_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, driver: Driver) -> Self:
        return cls(
            id=str(driver.id),
            user_id=str(driver.user_id),
            vehicle_number=driver.vehicle_number,
            vehicle_type=driver.vehicle_type,
            total_seats=driver.total_seats,
            verification_status=driver.verification_status,
            rejection_reason=driver.rejection_reason,
            decided_at=driver.decided_at,
            created_at=driver.created_at,
        )


class LicensedDriverView(Struct, frozen=True, rename="camel"):
    """A driver with the licence number: whole for admins, the last three characters for its owner, null where the person was forgotten."""

    id: str
    user_id: str
    vehicle_number: str
    vehicle_type: str
    total_seats: int
    license_number: str | None
    verification_status: VerificationStatus
    rejection_reason: str | None
    decided_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, licensed: Licensed) -> Self:
        driver = licensed.driver
        return cls(
            id=str(driver.id),
            user_id=str(driver.user_id),
            vehicle_number=driver.vehicle_number,
            vehicle_type=driver.vehicle_type,
            total_seats=driver.total_seats,
            license_number=licensed.license_number,
            verification_status=driver.verification_status,
            rejection_reason=driver.rejection_reason,
            decided_at=driver.decided_at,
            created_at=driver.created_at,
        )
