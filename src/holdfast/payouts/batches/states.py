"""The life of a batch as a table. What became of each of its payouts is the payout's to say."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.payouts.batches.errors import BatchApprovedAlready, BatchCancelledAlready, BatchNotApproved


class BatchState(StrEnum):
    MADE = "MADE"
    APPROVED = "APPROVED"
    CANCELLED = "CANCELLED"


BATCH = Machine(
    name="payout batch",
    initial=BatchState.MADE,
    moves=(
        Move(BatchState.MADE, BatchState.APPROVED, by="an admin who neither made it nor gets or asked for any of its payouts"),
        Move(BatchState.MADE, BatchState.CANCELLED, by="an admin; its payouts can go into another batch"),
    ),
    refusals={
        BatchState.MADE: BatchNotApproved,
        BatchState.APPROVED: BatchApprovedAlready,
        BatchState.CANCELLED: BatchCancelledAlready,
    },
)
