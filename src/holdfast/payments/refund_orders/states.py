"""The life of a refund order as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.payments.refund_orders.errors import RefundOrderDone, RefundOrderProposed, RefundOrderRejected


class RefundOrderState(StrEnum):
    PROPOSED = "PROPOSED"
    DONE = "DONE"
    REJECTED = "REJECTED"


REFUND_ORDER = Machine(
    name="refund order",
    initial=RefundOrderState.PROPOSED,
    moves=(
        Move(RefundOrderState.PROPOSED, RefundOrderState.DONE, by="another admin; up to the limit, at once"),
        Move(RefundOrderState.PROPOSED, RefundOrderState.REJECTED, by="another admin"),
    ),
    refusals={
        RefundOrderState.PROPOSED: RefundOrderProposed,
        RefundOrderState.DONE: RefundOrderDone,
        RefundOrderState.REJECTED: RefundOrderRejected,
    },
)
