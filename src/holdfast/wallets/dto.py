"""Requests and views of wallets."""

from datetime import datetime
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from holdfast.common.money import Amount, JsonAmount
from holdfast.ledger import PostedEntry, Purpose
from holdfast.payments.models import PaymentId, RefundId
from holdfast.wallets.models import TOP_UP_MAX, TopUp
from holdfast.wallets.payable import FILLED, UNPAID


class TopUpRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How much is to be in the wallet more, in major units."""

    amount: Annotated[float, Meta(gt=0, le=TOP_UP_MAX / 100, examples=[200.0])]


class WalletView(Struct, frozen=True, rename="camel"):
    """What is in the wallet."""

    balance: JsonAmount
    currency: str

    @classmethod
    def of(cls, balance: Amount) -> Self:
        return cls(JsonAmount(balance), balance.currency)


class WalletEntryView(Struct, frozen=True, rename="camel"):
    """What came in (above zero) or left (below). ``paymentId`` or ``refundId`` says what for."""

    id: str
    amount: JsonAmount
    currency: str
    purpose: Purpose
    payment_id: str | None
    refund_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, entry: PostedEntry) -> Self:
        is_refund = entry.purpose is Purpose.REFUND_PAID
        return cls(
            id=str(entry.id),
            amount=JsonAmount(entry.total),
            currency=entry.currency,
            purpose=entry.purpose,
            payment_id=None if is_refund else str(PaymentId.of(entry.transaction_id)),
            refund_id=str(RefundId.of(entry.transaction_id)) if is_refund else None,
            created_at=entry.posted_at,
        )


class TopUpView(Struct, frozen=True, rename="camel"):
    """A top-up. While it is UNPAID, pay for it: ``POST /payments/pay`` with its id."""

    top_up_id: str
    amount: JsonAmount
    currency: str
    status: Literal["UNPAID", "FILLED"]
    created_at: datetime
    filled_at: datetime | None

    @classmethod
    def of(cls, top_up: TopUp) -> Self:
        return cls(
            top_up_id=str(top_up.id),
            amount=JsonAmount(top_up.total),
            currency=top_up.currency,
            status=FILLED if top_up.filled_at else UNPAID,
            created_at=top_up.created_at,
            filled_at=top_up.filled_at,
        )
