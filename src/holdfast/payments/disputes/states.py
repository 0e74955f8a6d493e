"""The life of a dispute as a table."""

from holdfast.common.machine import Machine, Move
from holdfast.payments.disputes.errors import DisputeLostAlready, DisputeRunning, DisputeWonAlready
from holdfast.payments.gateway import DisputeStatus

DISPUTE = Machine(
    name="dispute",
    initial=DisputeStatus.OPENED,
    moves=(
        Move(DisputeStatus.OPENED, DisputeStatus.WON, by="the gateway: the payer's bank gave the money back"),
        Move(DisputeStatus.OPENED, DisputeStatus.LOST, by="the gateway: the payer's bank keeps the money"),
        Move(DisputeStatus.LOST, DisputeStatus.WON, by="the gateway: won after all, the last word whatever the order of its messages"),
    ),
    refusals={
        DisputeStatus.OPENED: DisputeRunning,
        DisputeStatus.WON: DisputeWonAlready,
        DisputeStatus.LOST: DisputeLostAlready,
    },
)
