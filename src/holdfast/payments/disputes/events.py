"""What disputes announce: ids and amounts, never the gateway's words."""

from holdfast.payments.disputes.models import DisputeId
from holdfast.payments.events import PaymentEvent


class DisputeEvent(PaymentEvent, frozen=True, kw_only=True):
    """About a dispute. ``amount`` is what it is about; ``version`` the payment's."""

    dispute_id: DisputeId


class PaymentDisputed(DisputeEvent, frozen=True, kw_only=True):
    """A payer's bank took the money of a payment from us. Somebody should answer it at the gateway."""


class DisputeWon(DisputeEvent, frozen=True, kw_only=True):
    """The money is back."""


class DisputeLost(DisputeEvent, frozen=True, kw_only=True):
    """The money stays with the payer."""
