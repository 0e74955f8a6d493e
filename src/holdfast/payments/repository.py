"""The statements of payments and refunds, one function each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.common.errors import Overloaded
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import OutcomeUnknown, Tx, queries
from holdfast.database.retries import ConnectionLost
from holdfast.payments.models import Destination, Earner, Method, PaidFor, Payment, PaymentId, Refund, RefundId, Takings, WebhookId
from holdfast.payments.states import PAYMENT, PaymentState, RefundReason, Settlement

SQL = queries(__file__)

DATABASE_AWAY = (Overloaded, ConnectionLost, OutcomeUnknown, psycopg.OperationalError)
"""What keeps an outcome from being written down just now. It is asked for again; anything else is a fault of ours."""


class Capture(Struct, frozen=True):
    """What a gateway has taken for a payment, and what becomes of it."""

    id: PaymentId
    settlement: Settlement
    amount: Amount
    reference: str


class PaidFromWallet(Struct, frozen=True):
    """A payment out of its payer's wallet, to be written."""

    id: PaymentId
    payable_id: UUID
    payer_id: UserId
    payee_id: Id
    fare: Amount
    fee: Amount
    idempotency_key: str


class NewRefund(Struct, frozen=True):
    """A refund to be written: how much of the fare and of the fee of a payment goes back."""

    id: RefundId
    payment_id: PaymentId
    fare: Amount
    fee: Amount
    reason: RefundReason
    requested_by: UserId
    destination: Destination = Destination.SOURCE

    @property
    def total(self) -> Amount:
        return self.fare + self.fee


class Left(Struct, frozen=True):
    """What is left of a payment that was kept, in minor units. ``is_less_than_sold``: what it paid for does not know that some is gone."""

    id: PaymentId
    fare: int
    fee: int
    is_less_than_sold: bool


class Unanswered(Struct, frozen=True):
    """A payment to be asked for. ``is_overdue``: so long after its beginning that whoever called the gateway has given up."""

    id: PaymentId
    gateway: str
    gateway_reference: str | None
    is_overdue: bool


class DueRefund(Struct, frozen=True):
    """A refund to be asked for.

    ``refunded`` is what its gateway gave back of the payment already; None while an earlier one is undecided.
    """

    id: RefundId
    payment_id: PaymentId
    amount: int
    currency: str
    gateway: str
    gateway_reference: str | None
    refunded: int | None


class WaitingWebhook(Struct, frozen=True):
    """A message to be acted upon: its facts as JSON."""

    id: WebhookId
    gateway: str
    facts: str


async def insert_payment(
    tx: Tx,
    *,
    payment_id: PaymentId,
    payable_kind: str,
    payable_id: UUID,
    payer_id: UserId,
    payee_id: Id,
    earner: Earner,
    fare: Amount,
    fee: Amount,
    from_wallet: Amount,
    method: Method,
    gateway: str,
    idempotency_key: str,
    answer_within: timedelta,
    authenticate: bool,
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
        earner=earner.value,
        wallet_amount=from_wallet.minor,
        authenticate=authenticate,
    )


async def insert_paid(tx: Tx, kind: str, new: Sequence[PaidFromWallet]) -> dict[PaymentId, Payment]:
    rows = await tx.all(
        SQL.insert_paid,
        Payment,
        payable_kind=kind,
        ids=[payment.id for payment in new],
        payable_ids=[payment.payable_id for payment in new],
        payer_ids=[payment.payer_id for payment in new],
        payee_ids=[payment.payee_id for payment in new],
        fare_amounts=[payment.fare.minor for payment in new],
        service_fees=[payment.fee.minor for payment in new],
        currencies=[payment.fare.currency for payment in new],
        keys=[payment.idempotency_key for payment in new],
    )
    return {payment.id: payment for payment in rows}


async def business_now(tx: Tx) -> datetime:
    now: datetime = await tx.value(SQL.business_now)
    return now


async def get(tx: Tx, payment_id: PaymentId) -> Payment | None:
    return await tx.first(SQL.get, Payment, ids=[payment_id])


async def get_all(tx: Tx, ids: Sequence[PaymentId]) -> dict[PaymentId, Payment]:
    return {payment.id: payment for payment in await tx.all(SQL.get, Payment, ids=list(ids))}


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
        destinations=[refund.destination.value for refund in new],
        requested_bys=[refund.requested_by for refund in new],
    )


async def owe_refunds(tx: Tx, new: Sequence[NewRefund]) -> Mapping[PaymentId, Payment]:
    """Adds what is asked back to the payments."""
    sums = _sums((refund.payment_id, refund.total.minor) for refund in new)
    rows = await tx.all(SQL.owe_refunds, Payment, payment_ids=list(sums), amounts=list(sums.values()))
    return {payment.id: payment for payment in rows}


async def refunds_of(tx: Tx, payment_ids: Sequence[PaymentId]) -> list[Refund]:
    return await tx.all(SQL.refunds_of, Refund, payment_ids=list(payment_ids))


async def takings(tx: Tx, kind: str, payable_ids: Sequence[UUID]) -> list[Takings]:
    return await tx.all(SQL.takings, Takings, kind=kind, payable_ids=list(payable_ids))


async def settle(tx: Tx, captures: Sequence[Capture]) -> dict[PaymentId, Payment]:
    """The payments that moved; one whose state has no such move is left as it is."""
    settled = await tx.all(
        SQL.settle,
        Payment,
        ids=[capture.id for capture in captures],
        settlements=[capture.settlement.value for capture in captures],
        amounts=[capture.amount.minor for capture in captures],
        currencies=[capture.amount.currency for capture in captures],
        references=[capture.reference for capture in captures],
        sources=_sources(PaymentState.SUCCESS),
    )
    return {payment.id: payment for payment in settled}


async def fail(tx: Tx, payment_id: PaymentId, reason: str, reference: str | None) -> Payment | None:
    return await tx.first(SQL.fail, Payment, id=payment_id, reason=reason, reference=reference, sources=_sources(PaymentState.FAILED))


async def leave_undecided(
    tx: Tx, payment_id: PaymentId, *, is_unknown: bool, next_action: str | None, reference: str | None, ask_in: timedelta
) -> Payment | None:
    return await tx.first(
        SQL.leave_undecided, Payment, id=payment_id, is_unknown=is_unknown, next_action=next_action, reference=reference, ask_in=ask_in
    )


async def claim_unanswered(tx: Tx, gateways: Sequence[str], *, limit: int, lease: timedelta, grace: timedelta) -> list[Unanswered]:
    return await tx.all(SQL.claim_unanswered, Unanswered, gateways=list(gateways), limit=limit, lease=lease, grace=grace)


async def claim_payment(tx: Tx, payment_id: PaymentId, *, lease: timedelta) -> bool:
    """Whether it is ours to ask for; not while somebody else asks."""
    return await tx.value(SQL.claim_payment, id=payment_id, lease=lease) is not None


async def lock_payment(tx: Tx, payment_id: PaymentId) -> Payment | None:
    return await tx.first(SQL.lock_payment, Payment, id=payment_id)


async def find_by_reference(tx: Tx, gateway: str, reference: str) -> PaymentId | None:
    found = await tx.value(SQL.find_by_reference, gateway=gateway, reference=reference)
    return PaymentId.of(found) if found is not None else None


async def charge_back(tx: Tx, payment_id: PaymentId, amount: Amount) -> Payment:
    charged = await tx.first(SQL.charge_back, Payment, id=payment_id, amount=amount.minor)
    assert charged is not None
    return charged


async def left_of_kept(tx: Tx, ids: Sequence[PaymentId]) -> dict[PaymentId, Left]:
    return {left.id: left for left in await tx.all(SQL.left_of_kept, Left, ids=list(ids))}


async def claim_refunds(tx: Tx, gateways: Sequence[str], *, limit: int, lease: timedelta) -> list[DueRefund]:
    return await tx.all(SQL.claim_refunds, DueRefund, gateways=list(gateways), limit=limit, lease=lease)


async def get_refund(tx: Tx, refund_id: RefundId) -> Refund | None:
    return await tx.first(SQL.get_refund, Refund, id=refund_id)


async def lock_refund(tx: Tx, refund_id: RefundId) -> Refund | None:
    return await tx.first(SQL.lock_refund, Refund, id=refund_id)


async def pay_refunds(tx: Tx, refunds: Mapping[RefundId, str | None]) -> list[tuple[Refund, Payment]]:
    """Refunds with their payments, which are locked, after the money went back; with the gateway's reference of each."""
    paid = await tx.all(SQL.pay_refunds, Refund, ids=list(refunds), references=list(refunds.values()))
    sums = _sums((refund.payment_id, refund.amount) for refund in paid)
    counted = await tx.all(
        SQL.count_refunded, Payment, payment_ids=list(sums), amounts=list(sums.values()), sources=_sources(PaymentState.REFUNDED)
    )
    payments = {payment.id: payment for payment in counted}
    return [(refund, payments[refund.payment_id]) for refund in paid]


async def decline_refund(tx: Tx, refund_id: RefundId, reason: str, reference: str | None) -> Refund:
    declined = await tx.first(SQL.decline_refund, Refund, id=refund_id, reason=reason, reference=reference)
    assert declined is not None
    return declined


async def redirect_refund(tx: Tx, refund_id: RefundId, destination: Destination) -> Refund:
    redirected = await tx.first(SQL.redirect_refund, Refund, id=refund_id, destination=destination.value)
    assert redirected is not None
    return redirected


async def leave_refund_undecided(tx: Tx, refund_id: RefundId, *, reference: str | None, ask_in_max: timedelta) -> None:
    await tx.run(SQL.leave_refund_undecided, id=refund_id, reference=reference, ask_in_max=ask_in_max)


async def keep_webhook(tx: Tx, webhook_id: WebhookId, gateway: str, event_id: str, facts: str, body: bytes, lease: timedelta) -> bool:
    """Whether the message is a new one."""
    kept = await tx.value(SQL.keep_webhook, id=webhook_id, gateway=gateway, event_id=event_id, facts=facts, body=body, lease=lease)
    return kept is not None


async def claim_webhooks(tx: Tx, *, limit: int, lease: timedelta) -> list[WaitingWebhook]:
    return await tx.all(SQL.claim_webhooks, WaitingWebhook, limit=limit, lease=lease)


async def webhook_applied(tx: Tx, webhook_id: WebhookId) -> None:
    await tx.run(SQL.webhook_applied, id=webhook_id)


async def delete_old_webhooks(tx: Tx, *, limit: int, age: timedelta) -> int:
    """Deletes some messages that were acted upon, and returns how many it were."""
    return await tx.run(SQL.delete_old_webhooks, limit=limit, age=age)


def _sums(amounts: Iterable[tuple[PaymentId, int]]) -> dict[PaymentId, int]:
    sums: dict[PaymentId, int] = {}
    for payment_id, amount in amounts:
        sums[payment_id] = sums.get(payment_id, 0) + amount
    return sums


def _sources(state: PaymentState) -> list[str]:
    return [source.value for source in PAYMENT.sources(state)]
