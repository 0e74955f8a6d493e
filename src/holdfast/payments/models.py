"""Payments, refunds, and the messages of gateways as they came."""

from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from msgspec import Struct
from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database.base import Base
from holdfast.payments.states import PaymentState, RefundReason, RefundState, Settlement


class PaymentId(Id, prefix="pay"):
    __slots__ = ()


class RefundId(Id, prefix="rfd"):
    __slots__ = ()


class WebhookId(Id, prefix="whm"):
    """A gateway's message in our inbox."""

    __slots__ = ()


class Method(StrEnum):
    WALLET = "WALLET"
    CARD = "CARD"
    PAYPAL = "PAYPAL"
    MOBILE_WALLET = "MOBILE_WALLET"
    CASH = "CASH"

    @classmethod
    def read(cls, text: str) -> Self:
        """A method as people write it: upper or lower case, and ``credit_card`` for CARD. Raises ValueError."""
        return cls({"CREDIT_CARD": "CARD"}.get(text.upper(), text.upper()))


class Earner(StrEnum):
    """Which account of the payee a fare goes to: what they earned, or, where a wallet is filled, their wallet."""

    PAYEE = "PAYEE"
    WALLET = "WALLET"


class Destination(StrEnum):
    """Where a refund goes: the means of payment that the money came from, or the payer's wallet."""

    SOURCE = "SOURCE"
    WALLET = "WALLET"


WALLET_GATEWAY = "wallet"
CASH_GATEWAY = "cash"
"""What stands for a gateway where there is none: the money comes out of our own books, or from hand to hand."""


class PaymentTable(Base):
    """One attempt to pay for one thing. Amounts are in minor units of ``currency``, the captured one in its own currency.

    ``ask_after`` is when the worker asks the gateway for its outcome, and, while one asks, until when others leave it alone.
    ``wallet_amount`` is the part that is set aside of the payer's wallet while the gateway is asked for the rest.
    ``refund_amount`` is what was asked back of it in all, ``refunded_amount`` what went back, ``charged_back_amount`` what the payer's bank
    took from us. ``authenticate``: 3-D Secure is demanded, also when it is charged again.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("fare_amount >= 0 AND service_fee >= 0 AND total_amount > 0", name="amounts"),
        CheckConstraint("total_amount = fare_amount + service_fee", name="total"),
        CheckConstraint("currency ~ '^[A-Z]{3}$' AND captured_currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("method IN ('WALLET', 'CARD', 'PAYPAL', 'MOBILE_WALLET', 'CASH')", name="method"),
        CheckConstraint("(method = 'WALLET') = (gateway = 'wallet')", name="wallet"),
        CheckConstraint("(method = 'CASH') = (gateway = 'cash')", name="cash"),
        CheckConstraint("earner IN ('PAYEE', 'WALLET')", name="earner"),
        CheckConstraint("0 <= wallet_amount AND wallet_amount < total_amount", name="wallet_amount"),
        CheckConstraint("status IN ('INITIATED', 'SUCCESS', 'FAILED', 'REFUNDED')", name="status"),
        CheckConstraint("settlement IN ('KEPT', 'TOO_LATE', 'MISMATCH', 'ALREADY_PAID')", name="settlement"),
        CheckConstraint("(status IN ('SUCCESS', 'REFUNDED')) = (settlement IS NOT NULL)", name="captured_is_settled"),
        CheckConstraint(
            "(settlement IS NOT NULL) = (captured_amount IS NOT NULL) AND (captured_amount IS NOT NULL) = (captured_currency IS NOT NULL)"
            " AND (captured_amount IS NOT NULL) = (captured_at IS NOT NULL) AND captured_amount > 0",
            name="captured",
        ),
        CheckConstraint(
            "0 <= refunded_amount AND refunded_amount <= refund_amount AND refund_amount <= coalesce(captured_amount, 0)", name="refunded"
        ),
        CheckConstraint(
            "0 <= charged_back_amount AND refund_amount + charged_back_amount <= coalesce(captured_amount, 0)", name="charged_back"
        ),
        CheckConstraint("(status = 'REFUNDED') = (settlement IS NOT NULL AND refunded_amount = captured_amount)", name="refunded_in_full"),
        CheckConstraint("status = 'INITIATED' OR (next_action IS NULL AND unknown_since IS NULL)", name="undecided"),
        # Two taps on "pay" must not make two charges, and of two that were captured all the same only one is kept.
        Index("payments_one_live_idx", "payable_kind", "payable_id", unique=True, postgresql_where=text("status = 'INITIATED'")),
        Index("payments_one_kept_idx", "payable_kind", "payable_id", unique=True, postgresql_where=text("settlement = 'KEPT'")),
        Index("payments_payable_idx", "payable_kind", "payable_id", "id"),
        Index("payments_ask_after_idx", "ask_after", postgresql_where=text("status = 'INITIATED'")),
        Index("payments_gateway_reference_idx", "gateway_reference", postgresql_where=text("gateway_reference IS NOT NULL")),
        Index("payments_captured_at_idx", "captured_at", postgresql_where=text("captured_at IS NOT NULL")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    payable_kind: Mapped[str] = mapped_column(Text)
    payable_id: Mapped[UUID] = mapped_column(Uuid)
    payer_id: Mapped[UUID] = mapped_column(Uuid)
    payee_id: Mapped[UUID] = mapped_column(Uuid)
    earner: Mapped[str] = mapped_column(Text, server_default=text("'PAYEE'"))
    fare_amount: Mapped[int] = mapped_column(BigInteger)
    service_fee: Mapped[int] = mapped_column(BigInteger)
    total_amount: Mapped[int] = mapped_column(BigInteger)
    wallet_amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    currency: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    gateway: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    gateway_reference: Mapped[str | None] = mapped_column(Text)
    decline_reason: Mapped[str | None] = mapped_column(Text)
    next_action: Mapped[str | None] = mapped_column(Text)
    unknown_since: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    settlement: Mapped[str | None] = mapped_column(Text)
    captured_amount: Mapped[int | None] = mapped_column(BigInteger)
    captured_currency: Mapped[str | None] = mapped_column(Text)
    captured_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    refund_amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    refunded_amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    charged_back_amount: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    idempotency_key: Mapped[str | None] = mapped_column(Text)
    asks: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    ask_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    authenticate: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))


class RefundTable(Base):
    """Money of a payment that goes back, or went. Amounts are in minor units of ``currency``, which is that of the capture."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("fare_amount >= 0 AND service_fee >= 0 AND amount > 0 AND amount = fare_amount + service_fee", name="amounts"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint(
            "reason IN ('CANCELLED_BY_CUSTOMER', 'CALLED_OFF', 'TOO_LATE', 'MISMATCH', 'ALREADY_PAID', 'DECIDED_BY_ADMIN')", name="reason"
        ),
        CheckConstraint("destination IN ('SOURCE', 'WALLET')", name="destination"),
        CheckConstraint("status IN ('REQUESTED', 'SUCCESS', 'FAILED')", name="status"),
        CheckConstraint("(status = 'SUCCESS') = (refunded_at IS NOT NULL)", name="refunded"),
        Index("refunds_payment_id_idx", "payment_id"),
        Index("refunds_created_at_idx", "created_at"),
        Index("refunds_ask_after_idx", "ask_after", postgresql_where=text("status = 'REQUESTED'")),
        {"postgresql_with": {"fillfactor": "80"}},
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("payments.id"))
    fare_amount: Mapped[int] = mapped_column(BigInteger)
    service_fee: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    destination: Mapped[str] = mapped_column(Text, server_default=text("'SOURCE'"))
    status: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID] = mapped_column(Uuid)
    gateway_reference: Mapped[str | None] = mapped_column(Text)
    decline_reason: Mapped[str | None] = mapped_column(Text)
    asks: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    ask_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    version: Mapped[int] = mapped_column(BigInteger, server_default=text("1"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    refunded_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class WebhookTable(Base):
    """A gateway's message, as it came, once for each of its ids. ``applied_at`` is when what it says was acted upon."""

    __tablename__ = "gateway_webhooks"
    __table_args__ = (
        Index("gateway_webhooks_event_id_idx", "gateway", "event_id", unique=True),
        Index("gateway_webhooks_apply_after_idx", "apply_after", postgresql_where=text("applied_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    gateway: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    facts: Mapped[list[object]] = mapped_column(JSONB)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    apply_after: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=text("business_now()"))
    applied_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Payment(Struct, frozen=True):
    """A payment as read."""

    id: PaymentId
    payable_kind: str
    payable_id: UUID
    payer_id: UserId
    payee_id: UUID
    earner: Earner
    fare_amount: int
    service_fee: int
    total_amount: int
    wallet_amount: int
    currency: str
    method: Method
    gateway: str
    status: PaymentState
    gateway_reference: str | None
    decline_reason: str | None
    next_action: str | None
    unknown_since: datetime | None
    settlement: Settlement | None
    captured_amount: int | None
    captured_currency: str | None
    captured_at: datetime | None
    refund_amount: int
    refunded_amount: int
    idempotency_key: str | None
    asks: int
    version: int
    created_at: datetime
    charged_back_amount: int = 0
    authenticate: bool = False

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.total_amount)

    @property
    def from_wallet(self) -> Amount:
        """The part of a split payment that comes out of the payer's wallet."""
        return Amount(self.currency, self.wallet_amount)

    @property
    def charged(self) -> Amount:
        """What the gateway is asked for."""
        return self.total - self.from_wallet

    @property
    def captured(self) -> Amount | None:
        """What was taken, None as long as it was not: by the gateway, and of what is kept also the wallet's part."""
        if self.captured_amount is None or self.captured_currency is None:
            return None
        return Amount(self.captured_currency, self.captured_amount)

    @property
    def is_kept(self) -> bool:
        """Whether its money was captured and bought what it was meant for."""
        return self.settlement is Settlement.KEPT


class Refund(Struct, frozen=True):
    """A refund as read."""

    id: RefundId
    payment_id: PaymentId
    fare_amount: int
    service_fee: int
    amount: int
    currency: str
    reason: RefundReason
    destination: Destination
    status: RefundState
    requested_by: UserId
    gateway_reference: str | None
    decline_reason: str | None
    asks: int
    version: int
    created_at: datetime
    refunded_at: datetime | None

    @property
    def total(self) -> Amount:
        return Amount(self.currency, self.amount)


class PaidFor(Struct, frozen=True):
    """All attempts to pay for one thing, the oldest first."""

    payable_id: UUID
    payments: tuple[Payment, ...] = ()

    @property
    def kept(self) -> Payment | None:
        """The one whose money was kept, even if it was given back later."""
        return next((payment for payment in self.payments if payment.is_kept), None)

    @property
    def running(self) -> Payment | None:
        """The one that is not decided: there is one at most (``payments_one_live_idx``)."""
        return next((payment for payment in self.payments if payment.status is PaymentState.INITIATED), None)

    @property
    def status(self) -> PaymentState | None:
        """How paying for it stands: that of the kept payment, else of the last attempt; None where nobody tried."""
        last = self.kept or (self.payments[-1] if self.payments else None)
        return last.status if last else None


class Takings(Struct, frozen=True):
    """What a set of things brought in, in minor units of one currency. ``refunded`` counts what was asked back, given or not.

    ``fees`` are the platform's, less those given back.
    """

    currency: str
    captured: int
    refunded: int
    fees: int

    @property
    def gross(self) -> int:
        return self.captured - self.refunded

    @property
    def net(self) -> int:
        return self.gross - self.fees
