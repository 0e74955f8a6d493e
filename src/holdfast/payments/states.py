"""The lives of a payment and of a refund as tables."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.payments.errors import PaidAlready, PaymentFailedAlready, PaymentRunning, RefundedAlready, RefundFailedAlready, RefundRunning


class PaymentState(StrEnum):
    INITIATED = "INITIATED"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


PAYMENT = Machine(
    name="payment",
    initial=PaymentState.INITIATED,
    moves=(
        Move(PaymentState.INITIATED, PaymentState.SUCCESS, by="the gateway: captured"),
        Move(PaymentState.INITIATED, PaymentState.FAILED, by="the gateway: declined, or it never heard of it"),
        Move(PaymentState.FAILED, PaymentState.SUCCESS, by="the gateway: captured after all, the only final word"),
        Move(PaymentState.SUCCESS, PaymentState.REFUNDED, by="the gateway: all of it was given back"),
    ),
    refusals={
        PaymentState.INITIATED: PaymentRunning,
        PaymentState.SUCCESS: PaidAlready,
        PaymentState.FAILED: PaymentFailedAlready,
        PaymentState.REFUNDED: RefundedAlready,
    },
)


class RefundState(StrEnum):
    REQUESTED = "REQUESTED"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


REFUND = Machine(
    name="refund",
    initial=RefundState.REQUESTED,
    moves=(
        Move(RefundState.REQUESTED, RefundState.SUCCESS, by="the gateway: given back; or at once, to a wallet"),
        Move(RefundState.REQUESTED, RefundState.FAILED, by="the gateway: it cannot be given back this way"),
        Move(RefundState.FAILED, RefundState.SUCCESS, by="the gateway: given back after all"),
    ),
    refusals={RefundState.REQUESTED: RefundRunning, RefundState.SUCCESS: RefundedAlready, RefundState.FAILED: RefundFailedAlready},
)


class Settlement(StrEnum):
    """What became of captured money. Only KEPT is not given back."""

    KEPT = "KEPT"
    TOO_LATE = "TOO_LATE"
    MISMATCH = "MISMATCH"
    ALREADY_PAID = "ALREADY_PAID"


class RefundReason(StrEnum):
    CANCELLED_BY_CUSTOMER = "CANCELLED_BY_CUSTOMER"
    CALLED_OFF = "CALLED_OFF"
    TOO_LATE = "TOO_LATE"
    MISMATCH = "MISMATCH"
    ALREADY_PAID = "ALREADY_PAID"
    DECIDED_BY_ADMIN = "DECIDED_BY_ADMIN"
