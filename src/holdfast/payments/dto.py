"""Requests and views of payments."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from msgspec import Meta, Struct

from holdfast.common.money import Amount, JsonAmount
from holdfast.payments.disputes.dto import DisputeView
from holdfast.payments.models import Destination, Method, Refund
from holdfast.payments.payable import Payables
from holdfast.payments.settling import PaymentAnswer
from holdfast.payments.states import PaymentState, RefundReason, RefundState, Settlement

BOOKING: Final = "booking"
"""What views name by a field of its own, as it was asked for."""

MethodWord = Literal[
    "CARD", "WALLET", "PAYPAL", "MOBILE_WALLET", "CASH", "card", "credit_card", "wallet", "paypal", "mobile_wallet", "cash"
]  # fmt: skip
ThingId = Annotated[str, Meta(min_length=1, max_length=64)]
# Something in it is no digit: a number alone would be that of a card.
Token = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[0-9.\-]*[!-,/:-~][!-~]*$", examples=["tok_success"])]


class PayRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What to pay for, and with what. Name the hold or the booking, for they are one, or a top-up of your wallet.

    ``walletFirst``: what your wallet has is taken first, and only the rest from your card or account.
    """

    method: Annotated[MethodWord, Meta(examples=["CARD"])]
    hold_id: ThingId | None = None
    booking_id: ThingId | None = None
    top_up_id: ThingId | None = None
    token: Token | None = None
    wallet_first: bool = False

    @property
    def named(self) -> tuple[str, str] | None:
        """The field that says what to pay for, and what it says; None where not exactly one does."""
        things = (("holdId", self.hold_id), ("bookingId", self.booking_id), ("topUpId", self.top_up_id))
        given = [(name, text) for name, text in things if text is not None]
        return given[0] if len(given) == 1 else None


class NextAction(Struct, frozen=True, rename="camel"):
    """What the payer has to do: open ``url``."""

    type: Literal["redirect"]
    url: str


class PaidBookingView(Struct, frozen=True, rename="camel"):
    """What was paid for, as it stands. ``expiresAt``: until then it can still be paid for."""

    booking_id: str
    status: str
    expires_at: datetime | None


class RefundView(Struct, frozen=True, rename="camel"):
    """Money of a payment that goes back, or went."""

    id: str
    amount: JsonAmount
    currency: str
    reason: RefundReason
    destination: Destination
    status: RefundState
    created_at: datetime
    refunded_at: datetime | None

    @classmethod
    def of(cls, refund: Refund) -> Self:
        return cls(
            id=str(refund.id),
            amount=JsonAmount(refund.total),
            currency=refund.currency,
            reason=refund.reason,
            destination=refund.destination,
            status=refund.status,
            created_at=refund.created_at,
            refunded_at=refund.refunded_at,
        )


class PaymentView(Struct, frozen=True, rename="camel"):
    """A payment, as its payer sees it.

    ``status`` INITIATED with ``nextAction``: open its url; with ``unknownSince``: the gateway has not answered, and is asked until
    it does. ``settlement`` other than KEPT: the money came, could not buy anything any more, and goes back by itself.
    """

    id: str
    payable_id: str
    booking_id: str | None
    fare_amount: JsonAmount
    service_fee: JsonAmount
    total_amount: JsonAmount
    wallet_amount: JsonAmount
    currency: str
    method: Method
    status: PaymentState
    settlement: Settlement | None
    decline_reason: str | None
    gateway_reference: str | None
    next_action: NextAction | None
    unknown_since: datetime | None
    refunded_amount: JsonAmount
    refunds: list[RefundView]
    disputes: list[DisputeView]
    booking: PaidBookingView | None
    created_at: datetime

    @classmethod
    def of(cls, answer: PaymentAnswer, payables: Payables) -> Self:
        payment, standing = answer.payment, answer.standing
        thing = payables.name(payment.payable_kind, payment.payable_id)
        booking_id = str(thing) if thing.kind == BOOKING else None
        return cls(
            id=str(payment.id),
            payable_id=str(thing),
            booking_id=booking_id,
            fare_amount=JsonAmount(Amount(payment.currency, payment.fare_amount)),
            service_fee=JsonAmount(Amount(payment.currency, payment.service_fee)),
            total_amount=JsonAmount(payment.total),
            wallet_amount=JsonAmount(payment.total if payment.method is Method.WALLET else payment.from_wallet),
            currency=payment.currency,
            method=payment.method,
            status=payment.status,
            settlement=payment.settlement,
            decline_reason=payment.decline_reason,
            gateway_reference=payment.gateway_reference,
            next_action=NextAction("redirect", payment.next_action) if payment.next_action else None,
            unknown_since=payment.unknown_since,
            refunded_amount=JsonAmount(Amount(payment.captured_currency or payment.currency, payment.refunded_amount)),
            refunds=[RefundView.of(refund) for refund in answer.refunds],
            disputes=[DisputeView.of(dispute) for dispute in answer.disputes],
            booking=PaidBookingView(booking_id, standing.status, standing.expires_at) if standing and booking_id else None,
            created_at=payment.created_at,
        )
