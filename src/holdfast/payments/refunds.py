"""Giving money back: asked for in the commit of whatever makes it due, done at the gateway after that commit."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from holdfast import audit, events, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.ledger import FEES, REFUNDS_DUE, Account, Entry, Purpose, Transaction
from holdfast.payments import repository
from holdfast.payments.events import RefundRequested
from holdfast.payments.models import Payment, Refund, RefundId
from holdfast.payments.repository import NewRefund
from holdfast.payments.states import RefundReason


class RefundRequest(Struct, frozen=True):
    """What of the money for one thing goes back: so much of its fare, so much of its fee."""

    payable_kind: str
    payable_id: UUID
    fare: Amount
    fee: Amount
    reason: RefundReason


async def request(tx: Tx, actor: Actor, requests: Sequence[RefundRequest]) -> list[Refund]:
    """Owe money back to those who paid for a set of things, in the transaction that makes it due.

    Things without a payment that was kept get no refund, and neither does an amount of zero. The caller has locked the things;
    this locks their payments, by id. The gateway is asked after the commit, by the worker or through ``Refunds.soon``.
    Raises psycopg's CheckViolation where more is asked back than was captured.
    """
    refunds: list[Refund] = []
    for kind in sorted({wanted.payable_kind for wanted in requests}):
        of_kind = {wanted.payable_id: wanted for wanted in requests if wanted.payable_kind == kind and (wanted.fare + wanted.fee).minor > 0}
        payments = {payment.payable_id: payment for payment in await repository.lock_kept(tx, kind, sorted(of_kind))}
        new = [
            NewRefund(RefundId.new(), payments[wanted.payable_id].id, wanted.fare, wanted.fee, wanted.reason, actor.id)
            for wanted in of_kind.values()
            if wanted.payable_id in payments
        ]
        refunds += await owe(tx, actor, new)
    return refunds


async def owe(tx: Tx, actor: Actor, new: Sequence[NewRefund]) -> list[Refund]:
    """Write refunds of payments that are locked, at most one for each: the rows, the ledger, the audit log, the events."""
    if not new:
        return []
    refunds = await repository.insert_refunds(tx, new)
    payments = await repository.owe_refunds(tx, new)
    # Money that was not kept is owed since it was captured: the ledger knows it already.
    kept = [refund for refund in refunds if payments[refund.payment_id].is_kept]
    await ledger.post(tx, [_owed(payments[refund.payment_id], refund) for refund in kept])
    await audit.record(tx, [Deed(actor, "refund.requested", refund.id, after=_facts(refund)) for refund in refunds])
    await events.publish(tx, [_requested(payments[refund.payment_id], refund) for refund in refunds])
    return refunds


def _owed(payment: Payment, refund: Refund) -> Transaction:
    return Transaction(
        refund.id,
        Purpose.REFUND_OWED,
        refund.created_at,
        (
            Entry(Account.payee(payment.payee_id), Amount(refund.currency, -refund.fare_amount)),
            Entry(FEES, Amount(refund.currency, -refund.service_fee)),
            Entry(REFUNDS_DUE, refund.total),
        ),
    )


def _facts(refund: Refund) -> dict[str, object]:
    return {
        "payment_id": refund.payment_id.hex,
        "status": refund.status.value,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.reason.value,
    }


def _requested(payment: Payment, refund: Refund) -> RefundRequested:
    return RefundRequested(
        version=payment.version,
        payment_id=payment.id,
        payable_kind=payment.payable_kind,
        payable_id=payment.payable_id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        amount=refund.total,
        refund_id=refund.id,
        reason=refund.reason,
    )
