"""Requests and views of refund orders."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.common.money import JsonAmount
from holdfast.payments.refund_orders.models import NOTE_LENGTH_MAX, RefundOrder
from holdfast.payments.refund_orders.states import RefundOrderState


class RefundOrderRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How much of the payment goes back, in major units of its currency, and why."""

    amount: Annotated[float, Meta(gt=0, le=1_000_000_000_000, examples=[10.0])]
    note: Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX, pattern=r"\S", examples=["The air conditioning was broken."])]


class RefundOrderView(Struct, frozen=True, rename="camel"):
    """What an admin ordered to be given back. PROPOSED with ``needsAnotherAdmin``: another admin has to approve it."""

    id: str
    payment_id: str
    amount: JsonAmount
    currency: str
    note: str
    needs_another_admin: bool
    status: RefundOrderState
    ordered_by: str
    decided_by: str | None
    decided_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, ordered: RefundOrder) -> Self:
        return cls(
            id=str(ordered.id),
            payment_id=str(ordered.payment_id),
            amount=JsonAmount(ordered.total),
            currency=ordered.currency,
            note=ordered.note,
            needs_another_admin=ordered.needs_another_admin,
            status=ordered.status,
            ordered_by=str(ordered.ordered_by),
            decided_by=str(ordered.decided_by) if ordered.decided_by else None,
            decided_at=ordered.decided_at,
            created_at=ordered.created_at,
        )
