"""The statements of payments and refunds, one function each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import Tx, queries
from holdfast.payments.models import Method, PaidFor, Payment, PaymentId, Refund, RefundId, Takings
from holdfast.payments.states import RefundReason

SQL = queries(__file__)


class NewRefund(Struct, frozen=True):
    """A refund to be written: how much of the fare and of the fee of a payment goes back."""

    id: RefundId
    payment_id: PaymentId
    fare: Amount
    fee: Amount
    reason: RefundReason
    requested_by: UserId

    @property
    def total(self) -> Amount:
        return self.fare + self.fee


async def insert_payment(
    tx: Tx,
    *,
    payment_id: PaymentId,
    payable_kind: str,
    payable_id: UUID,
    payer_id: UserId,
    payee_id: Id,
    fare: Amount,
    fee: Amount,
    method: Method,
    gateway: str,
    idempotency_key: str,
    answer_within: timedelta,
) -> Payment | None:
    return await tx.first(
        SQL.insert_payment,
        Payment,
        id=payment_id,
        payable_kind=payable_kind,
        payable_id=payable_id,
        payer_id=payer_id,
        payee_id=payee_id,
        fare_amount=fare.minor,
        service_fee=fee.minor,
        total_amount=(fare + fee).minor,
        currency=fare.currency,
        method=method.value,
        gateway=gateway,
        idempotency_key=idempotency_key,
        answer_within=answer_within,
    )


async def get(tx: Tx, payment_id: PaymentId) -> Payment | None:
    return await tx.first(SQL.get, Payment, ids=[payment_id])


async def of_payables(tx: Tx, kind: str, payable_ids: Sequence[UUID]) -> Mapping[UUID, PaidFor]:
    found: dict[UUID, list[Payment]] = {payable_id: [] for payable_id in payable_ids}
    for payment in await tx.all(SQL.of_payables, Payment, kind=kind, payable_ids=list(payable_ids)):
        found[payment.payable_id].append(payment)
    return {payable_id: PaidFor(payable_id, tuple(payments)) for payable_id, payments in found.items()}


async def lock_kept(tx: Tx, kind: str, payable_ids: Sequence[UUID]) -> list[Payment]:
    return await tx.all(SQL.lock_kept, Payment, kind=kind, payable_ids=list(payable_ids))


async def insert_refunds(tx: Tx, new: Sequence[NewRefund]) -> list[Refund]:
    return await tx.all(
        SQL.insert_refunds,
        Refund,
        ids=[refund.id for refund in new],
        payment_ids=[refund.payment_id for refund in new],
        fare_amounts=[refund.fare.minor for refund in new],
        service_fees=[refund.fee.minor for refund in new],
        currencies=[refund.fare.currency for refund in new],
        reasons=[refund.reason.value for refund in new],
        requested_bys=[refund.requested_by for refund in new],
    )


async def owe_refunds(tx: Tx, new: Sequence[NewRefund]) -> Mapping[PaymentId, Payment]:
    """Adds what is asked back to the payments, one refund for each."""
    rows = await tx.all(
        SQL.owe_refunds, Payment, payment_ids=[refund.payment_id for refund in new], amounts=[refund.total.minor for refund in new]
    )
    return {payment.id: payment for payment in rows}


async def refunds_of(tx: Tx, payment_ids: Sequence[PaymentId]) -> list[Refund]:
    return await tx.all(SQL.refunds_of, Refund, payment_ids=list(payment_ids))


async def takings(tx: Tx, kind: str, payable_ids: Sequence[UUID]) -> list[Takings]:
    return await tx.all(SQL.takings, Takings, kind=kind, payable_ids=list(payable_ids))
