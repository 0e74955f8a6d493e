"""Requests and views of payouts."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.common.money import Amount, JsonAmount
from holdfast.payouts.models import REASON_LENGTH_MAX, Payout
from holdfast.payouts.states import PayoutState
from holdfast.sessions.models import SessionId


class PayoutRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The session of yours to be paid for."""

    session_id: SessionId


class RejectRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Why not: the driver reads it."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_LENGTH_MAX, pattern=r"\S", examples=["The bank account is not yours."])]


class PayoutView(Struct, frozen=True, rename="camel"):
    """A payout, as its driver and admins see it: ``netAmount`` is ``grossAmount`` less ``serviceFees``, and ``dueAmount``
    what the driver gets of it: less ``setOffAmount``, what the driver owed.

    The amounts are made out anew when it is approved, and final from then on. ``returnReason`` is what the bank said.
    """

    id: str
    driver_id: str
    session_id: str
    gross_amount: JsonAmount
    service_fees: JsonAmount
    net_amount: JsonAmount
    set_off_amount: JsonAmount
    due_amount: JsonAmount
    currency: str
    status: PayoutState
    approved_by_admin: str | None
    approved_at: datetime | None
    paid_at: datetime | None
    rejected_at: datetime | None
    reject_reason: str | None
    batch_id: str | None
    returned_at: datetime | None
    return_reason: str | None
    cancelled_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, payout: Payout) -> Self:
        return cls(
            id=str(payout.id),
            driver_id=str(payout.driver_id),
            session_id=str(payout.session_id),
            gross_amount=JsonAmount(Amount(payout.currency, payout.gross_amount)),
            service_fees=JsonAmount(Amount(payout.currency, payout.service_fees)),
            net_amount=JsonAmount(payout.net),
            set_off_amount=JsonAmount(Amount(payout.currency, payout.set_off_amount)),
            due_amount=JsonAmount(payout.due),
            currency=payout.currency,
            status=payout.status,
            approved_by_admin=str(payout.approved_by_admin) if payout.approved_by_admin else None,
            approved_at=payout.approved_at,
            paid_at=payout.paid_at,
            rejected_at=payout.rejected_at,
            reject_reason=payout.reject_reason,
            batch_id=str(payout.batch_id) if payout.batch_id else None,
            returned_at=payout.returned_at,
            return_reason=payout.return_reason,
            cancelled_at=payout.cancelled_at,
            created_at=payout.created_at,
        )
