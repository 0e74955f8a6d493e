"""What payments announce: ids and amounts."""

from typing import ClassVar
from uuid import UUID

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.events import Event
from holdfast.payments.gateway import DeclineReason
from holdfast.payments.models import PaymentId, RefundId
from holdfast.payments.states import RefundReason


class PaymentEvent(Event, frozen=True, kw_only=True):
    """``payable_kind`` and ``payable_id`` say what is paid for: kind "booking" and the booking's id."""

    subject: ClassVar[str] = "payment_id"
    payment_id: PaymentId
    payable_kind: str
    payable_id: UUID
    payer_id: UserId
    payee_id: UUID
    amount: Amount


class PaymentInitiated(PaymentEvent, frozen=True, kw_only=True):
    """A gateway is about to be asked."""


class PaymentSucceeded(PaymentEvent, frozen=True, kw_only=True):
    """The money is there and bought what it was meant for."""


class PaymentFailed(PaymentEvent, frozen=True, kw_only=True):
    """It was declined, or never reached the gateway."""

    reason: DeclineReason


class RefundEvent(PaymentEvent, frozen=True, kw_only=True):
    """About a refund. ``amount`` is the refund's; ``version`` the payment's."""

    refund_id: RefundId
    reason: RefundReason


class RefundRequested(RefundEvent, frozen=True, kw_only=True):
    """Money is owed back to the payer."""


class PaymentRefunded(RefundEvent, frozen=True, kw_only=True):
    """The gateway gave it back. ``in_full``: with it, all that the payment had taken."""

    in_full: bool


class RefundDeclined(RefundEvent, frozen=True, kw_only=True):
    """The gateway cannot give it back: it is still owed, and a person must pay it another way."""
