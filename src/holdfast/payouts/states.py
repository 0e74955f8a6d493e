"""The life of a payout as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.payouts.errors import (
    PayoutApprovedAlready,
    PayoutCancelledAlready,
    PayoutInBatch,
    PayoutPaidAlready,
    PayoutPending,
    PayoutRejectedAlready,
    PayoutReturnedAlready,
)


class PayoutState(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    IN_BATCH = "IN_BATCH"
    PAID = "PAID"
    RETURNED = "RETURNED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


PAYOUT = Machine(
    name="payout",
    initial=PayoutState.PENDING,
    moves=(
        Move(PayoutState.PENDING, PayoutState.APPROVED, by="an admin other than the driver, once the session is closed"),
        Move(PayoutState.PENDING, PayoutState.REJECTED, by="an admin, with a reason"),
        Move(PayoutState.PENDING, PayoutState.CANCELLED, by="the driver"),
        Move(PayoutState.APPROVED, PayoutState.IN_BATCH, by="an admin who makes a batch for the bank"),
        Move(PayoutState.APPROVED, PayoutState.PAID, by="an admin, when the money has left; at once where all of it was set off"),
        Move(PayoutState.IN_BATCH, PayoutState.APPROVED, by="an admin who cancels the batch"),
        Move(PayoutState.IN_BATCH, PayoutState.PAID, by="the bank's answer"),
        Move(PayoutState.IN_BATCH, PayoutState.RETURNED, by="the bank's answer: it did not pay"),
        Move(PayoutState.PAID, PayoutState.RETURNED, by="the bank's answer: the money came back"),
    ),
    refusals={
        PayoutState.PENDING: PayoutPending,
        PayoutState.APPROVED: PayoutApprovedAlready,
        PayoutState.IN_BATCH: PayoutInBatch,
        PayoutState.PAID: PayoutPaidAlready,
        PayoutState.RETURNED: PayoutReturnedAlready,
        PayoutState.REJECTED: PayoutRejectedAlready,
        PayoutState.CANCELLED: PayoutCancelledAlready,
    },
)
