"""The life of an application as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.drivers.errors import ApplicationPending, DriverApproved, DriverRejected


class VerificationStatus(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"

    @classmethod
    def _missing_(cls, value: object) -> "VerificationStatus | None":
        # What people send may be in small letters.
        return cls.__members__.get(str(value).upper())


VERIFICATION = Machine(
    name="driver",
    initial=VerificationStatus.PENDING,
    moves=(
        Move(VerificationStatus.PENDING, VerificationStatus.APPROVED, by="an admin, who thereby makes the person a DRIVER"),
        Move(VerificationStatus.PENDING, VerificationStatus.REJECTED, by="an admin, with a reason"),
        Move(VerificationStatus.REJECTED, VerificationStatus.PENDING, by="the person, applying again"),
    ),
    refusals={
        VerificationStatus.PENDING: ApplicationPending,
        VerificationStatus.APPROVED: DriverApproved,
        VerificationStatus.REJECTED: DriverRejected,
    },
)
