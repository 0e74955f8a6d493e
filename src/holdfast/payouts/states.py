"""The life of a payout as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.payouts.errors import PayoutApprovedAlready, PayoutPaidAlready, PayoutPending, PayoutRejectedAlready


class PayoutState(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    PAID = "PAID"
    REJECTED = "REJECTED"


PAYOUT = Machine(
    name="payout",
    initial=PayoutState.PENDING,
    moves=(
        Move(PayoutState.PENDING, PayoutState.APPROVED, by="an admin other than the driver, once the session is closed"),
        Move(PayoutState.PENDING, PayoutState.REJECTED, by="an admin, with a reason"),
        Move(PayoutState.APPROVED, PayoutState.PAID, by="an admin, when the money has left"),
    ),
    refusals={
        PayoutState.PENDING: PayoutPending,
        PayoutState.APPROVED: PayoutApprovedAlready,
        PayoutState.PAID: PayoutPaidAlready,
        PayoutState.REJECTED: PayoutRejectedAlready,
    },
)
