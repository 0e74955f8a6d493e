"""Paying for things, and giving money back, through whatever gateway takes the method."""

from holdfast.payments import refunds
from holdfast.payments.models import Method, PaidFor, Payment, PaymentId, Refund, RefundId, Takings
from holdfast.payments.payable import Arrived, Due, Effect, HoldLapsedMeanwhile, Mismatch, Payable, Payables, Settled, Standing, TooLate
from holdfast.payments.reading import of, takings
from holdfast.payments.refunds import RefundRequest
from holdfast.payments.states import PaymentState, RefundReason, RefundState

__all__ = [
    "Arrived",
    "Due",
    "Effect",
    "HoldLapsedMeanwhile",
    "Method",
    "Mismatch",
    "PaidFor",
    "Payable",
    "Payables",
    "Payment",
    "PaymentId",
    "PaymentState",
    "Refund",
    "RefundId",
    "RefundReason",
    "RefundRequest",
    "RefundState",
    "Settled",
    "Standing",
    "Takings",
    "TooLate",
    "of",
    "refunds",
    "takings",
]
