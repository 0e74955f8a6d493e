"""Views of disputes."""

from datetime import datetime
from typing import Self

from msgspec import Struct

from holdfast.common.money import JsonAmount
from holdfast.payments.disputes.models import Dispute
from holdfast.payments.gateway import DisputeStatus


class DisputeView(Struct, frozen=True, rename="camel"):
    """A payment that its payer disputes at their bank. ``bookedAmount`` is what it took from whoever had earned the money."""

    id: str
    payment_id: str
    gateway: str
    reference: str
    amount: JsonAmount
    booked_amount: JsonAmount
    currency: str
    reason: str
    status: DisputeStatus
    opened_at: datetime
    decided_at: datetime | None

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        return cls(
            id=str(dispute.id),
            payment_id=str(dispute.payment_id),
            gateway=dispute.gateway,
            reference=dispute.reference,
            amount=JsonAmount(dispute.disputed),
            booked_amount=JsonAmount(dispute.booked),
            currency=dispute.currency,
            reason=dispute.reason,
            status=dispute.status,
            opened_at=dispute.opened_at,
            decided_at=dispute.decided_at,
        )
