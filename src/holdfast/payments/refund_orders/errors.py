"""How ordering a refund can be refused."""

from holdfast.common.errors import NotFound, Refusal


class RefundUnknown(NotFound):
    """There is no such refund. Check the id."""

    code = "refund_unknown"


class RefundOrderUnknown(NotFound):
    """There is no such refund order. Check the id."""

    code = "refund_order_unknown"


class NothingWasKept(Refusal):
    """Nothing of this payment was kept, so there is nothing to give back."""

    code = "nothing_was_kept"
    status = 409


class RefundTooHigh(Refusal):
    """Of this payment {left} is left. Give back that or less."""

    code = "refund_too_high"
    status = 409


class OwnRefundOrder(Refusal):
    """Nobody decides on a refund order of their own. Another admin must."""

    code = "own_refund_order"
    status = 403


class RefundOrderProposed(Refusal):
    """This refund order waits for another admin."""

    code = "refund_order_proposed"
    status = 409


class RefundOrderDone(Refusal):
    """This refund order was done already."""

    code = "refund_order_done"
    status = 409


class RefundOrderRejected(Refusal):
    """This refund order was rejected. Order a new one."""

    code = "refund_order_rejected"
    status = 409
