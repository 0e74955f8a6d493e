"""Giving money back: asked for in the commit of whatever makes it due, done at the gateway after that commit."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypedDict
from uuid import UUID

import structlog
from msgspec import Struct, structs

from holdfast import audit, events, ledger
from holdfast.audit import Deed
from holdfast.common.actor import SYSTEM, Actor, UserId
from holdfast.common.money import Amount
from holdfast.database import Database, Tx, retried
from holdfast.ledger import Transaction
from holdfast.payments import postings, repository
from holdfast.payments.events import PaymentRefunded, RefundDeclined, RefundRequested
from holdfast.payments.gateway import Declined, DeclineReason, Gateways, Known, Pending, Refunded, RefundOutcome, Unknown
from holdfast.payments.models import Destination, Method, Payment, PaymentId, Refund, RefundId
from holdfast.payments.repository import DueRefund, Left, NewRefund
from holdfast.payments.states import REFUND, PaymentState, RefundReason, RefundState

LEASE = timedelta(seconds=30)
ASK_IN_MAX = timedelta(minutes=10)
AT_ONCE_MAX = 20

log = structlog.get_logger()


class RefundRequest(Struct, frozen=True):
    """What of the money for one thing goes back: so much of its fare, so much of its fee. What came from a wallet or in cash goes to the
    payer's wallet.
    """

    payable_kind: str
    payable_id: UUID
    fare: Amount
    fee: Amount
    reason: RefundReason
    destination: Destination = Destination.SOURCE


async def request(tx: Tx, actor: Actor, requests: Sequence[RefundRequest]) -> list[Refund]:
    """Owe money back to those who paid for a set of things, in the transaction that makes it due.

    Things without a payment that was kept get no refund, and neither does an amount of zero. The caller has locked the things;
    this locks their payments, by id. The worker asks the gateway after the commit; a wallet has its money with the commit.
    Raises psycopg's CheckViolation where more is asked back than was captured.
    """
    refunds: list[Refund] = []
    for kind in sorted({wanted.payable_kind for wanted in requests}):
        of_kind = {wanted.payable_id: wanted for wanted in requests if wanted.payable_kind == kind and (wanted.fare + wanted.fee).minor > 0}
        payments = {payment.payable_id: payment for payment in await repository.lock_kept(tx, kind, sorted(of_kind))}
        left = await repository.left_of_kept(tx, [payment.id for payment in payments.values()])
        at_gateways = await _refunded_at_gateways(tx, [payment.id for payment in payments.values() if payment.wallet_amount])
        new = [
            part
            for wanted in of_kind.values()
            if (payment := payments.get(wanted.payable_id)) is not None
            for part in _parts(payment, _at_most(wanted, left[payment.id]), at_gateways.get(payment.id, 0), actor)
        ]
        refunds += await owe(tx, actor, new)
    return refunds


async def owe(tx: Tx, actor: Actor, new: Sequence[NewRefund]) -> list[Refund]:
    """Write refunds of payments that are locked: the rows, the ledger, the audit log, the events."""
    if not new:
        return []
    refunds = await repository.insert_refunds(tx, new)
    payments = await repository.owe_refunds(tx, new)
    await audit.record(tx, [Deed(actor, "refund.requested", refund.id, after=_facts(refund)) for refund in refunds])
    await events.publish(tx, [RefundRequested(**_about(payments[refund.payment_id], refund)) for refund in refunds])
    # Money that was not kept is owed since it was captured: the ledger knows it already.
    kept = [refund for refund in refunds if payments[refund.payment_id].is_kept]
    owed = [postings.owed(payments[refund.payment_id], refund) for refund in kept]
    paid = await _pay(tx, {refund.id: refund for refund in refunds if refund.destination is Destination.WALLET}, {}, owed)
    return [paid.get(refund.id, refund) for refund in refunds]


async def send_to_wallet(tx: Tx, actor: Actor, refund_id: RefundId) -> Refund:
    """A refund that failed goes into its payer's wallet instead, in the admin's transaction, which has its payment locked.

    Raises RefundRunning, RefundedAlready.
    """
    refund = await repository.lock_refund(tx, refund_id)
    assert refund is not None
    if refund.status is not RefundState.FAILED:
        raise REFUND.refusals[refund.status]
    redirected = await repository.redirect_refund(tx, refund_id, Destination.WALLET)
    await audit.record(tx, [Deed(actor, "refund.sent_to_wallet", refund_id, before=_facts(refund), after=_facts(redirected))])
    return (await _pay(tx, {refund_id: redirected}, {}, []))[refund_id]


class Refunds:
    """Does at the gateways what was asked for, and goes on until they have said so. Repeating it gives nothing back twice."""

    def __init__(self, database: Database, gateways: Gateways) -> None:
        self._database = database
        self._gateways = gateways

    async def do_due(self) -> int:
        """Do what is due; returns how many refunds it were. Several workers may call it at once."""
        async with self._database.transaction() as tx:
            due = await repository.claim_refunds(tx, self._gateways.names(), limit=AT_ONCE_MAX, lease=LEASE)
        async with asyncio.TaskGroup() as group:
            for refund in due:
                group.create_task(self._do(refund))
        return len(due)

    @retried
    async def apply(self, refund_id: RefundId, outcome: RefundOutcome) -> Refund | None:
        """Make the gateway's word about a refund true, in one transaction; None where it is none of ours."""
        async with self._database.transaction() as tx:
            found = await repository.get_refund(tx, refund_id)
            if found is None:
                log.warning("refund_not_ours", refund_id=str(refund_id), outcome=type(outcome).__name__)
                return None
            payment = await repository.lock_payment(tx, found.payment_id)
            refund = await repository.lock_refund(tx, refund_id)
            assert payment is not None
            assert refund is not None
            match outcome:
                case Refunded() if REFUND.allows(refund.status, RefundState.SUCCESS):
                    await _pay(tx, {refund_id: refund}, {refund_id: outcome.reference}, [])
                case Declined() if REFUND.allows(refund.status, RefundState.FAILED):
                    await _declined(tx, payment, refund, outcome)
                case Pending() | Unknown():
                    reference = outcome.reference if isinstance(outcome, Pending) else None
                    await repository.leave_refund_undecided(tx, refund_id, reference=reference, ask_in_max=ASK_IN_MAX)
            return await repository.get_refund(tx, refund_id)

    async def _do(self, due: DueRefund) -> None:
        try:
            amount, known = Amount(due.currency, due.amount), Known(due.gateway_reference, due.refunded)
            await self.apply(due.id, await self._gateways[due.gateway].refund(due.id, due.payment_id, amount, known))
        except repository.DATABASE_AWAY as error:
            log.warning("refund_waits", refund_id=str(due.id), reason=str(error))
        except Exception:
            # One refund that trips us must not take its neighbours with it.
            log.exception("refund_failed", refund_id=str(due.id))


async def _pay(
    tx: Tx, due: Mapping[RefundId, Refund], references: Mapping[RefundId, str], owed: Sequence[Transaction]
) -> dict[RefundId, Refund]:
    """Write that money went back, in the rows, the ledger, the audit log and the event log, together with what was ``owed`` before.

    All of the ledger at once, for wallets are locked by id.
    """
    pairs = await repository.pay_refunds(tx, {refund_id: references.get(refund_id) for refund_id in due}) if due else []
    await ledger.post(tx, [*owed, *(postings.paid_back(payment, paid) for paid, payment in pairs)])
    await audit.record(tx, [Deed(SYSTEM, "refund.paid", paid.id, before=_facts(due[paid.id]), after=_facts(paid)) for paid, _ in pairs])
    await events.publish(
        tx,
        [PaymentRefunded(**_about(payment, paid), in_full=payment.status is PaymentState.REFUNDED) for paid, payment in pairs],
    )
    return {paid.id: paid for paid, _ in pairs}


async def _declined(tx: Tx, payment: Payment, refund: Refund, outcome: Declined) -> None:
    declined = await repository.decline_refund(tx, refund.id, outcome.reason, outcome.reference)
    log.error("refund_declined", refund_id=str(refund.id), payment_id=str(payment.id), reason=outcome.reason)
    await audit.record(tx, [Deed(SYSTEM, "refund.failed", refund.id, before=_facts(refund), after=_facts(declined))])
    await events.publish(tx, [RefundDeclined(**_about(payment, declined))])


def _at_most(wanted: RefundRequest, left: Left) -> RefundRequest:
    """What is asked for, less what an admin gave back or the payer's bank took: whoever asks does not know of either."""
    if not left.is_less_than_sold:
        return wanted
    fare, fee = min(wanted.fare.minor, left.fare), min(wanted.fee.minor, left.fee)
    return structs.replace(wanted, fare=Amount(wanted.fare.currency, fare), fee=Amount(wanted.fee.currency, fee))


def _parts(payment: Payment, wanted: RefundRequest, at_gateway: int, actor: Actor) -> list[NewRefund]:
    """A refund for each place that money goes back to. Of a split payment the gateway gives back what it took, then the wallet gets
    the rest; ``at_gateway`` is what goes back through the gateway already.
    """
    total, fare, fee = (wanted.fare + wanted.fee).minor, wanted.fare, wanted.fee
    if payment.method in (Method.WALLET, Method.CASH) or wanted.destination is Destination.WALLET:
        through_gateway = 0
    elif payment.wallet_amount:
        through_gateway = max(0, min(total, payment.charged.minor - at_gateway - payment.charged_back_amount))
    else:
        through_gateway = total
    of_fare = min(fare.minor, through_gateway)
    first = (Amount(fare.currency, of_fare), Amount(fee.currency, through_gateway - of_fare), Destination.SOURCE)
    rest = (fare - first[0], fee - first[1], Destination.WALLET)
    return [
        NewRefund(RefundId.new(), payment.id, part_of_fare, part_of_fee, wanted.reason, actor.id, destination)
        for part_of_fare, part_of_fee, destination in (first, rest)
        if (part_of_fare + part_of_fee).minor
    ]


async def _refunded_at_gateways(tx: Tx, payment_ids: Sequence[PaymentId]) -> dict[PaymentId, int]:
    """What goes back of split payments through their gateways, or went."""
    sums: dict[PaymentId, int] = {}
    for refund in await repository.refunds_of(tx, payment_ids) if payment_ids else []:
        if refund.destination is Destination.SOURCE:
            sums[refund.payment_id] = sums.get(refund.payment_id, 0) + refund.amount
    return sums


def _facts(refund: Refund) -> dict[str, object]:
    return {
        "payment_id": str(refund.payment_id),
        "status": refund.status.value,
        "amount": refund.amount,
        "currency": refund.currency,
        "reason": refund.reason.value,
        "decline_reason": DeclineReason.of(refund.decline_reason).value if refund.decline_reason is not None else None,
    }


class _About(TypedDict):
    version: int
    payment_id: PaymentId
    payable_kind: str
    payable_id: UUID
    payer_id: UserId
    payee_id: UUID
    amount: Amount
    refund_id: RefundId
    reason: RefundReason


def _about(payment: Payment, refund: Refund) -> _About:
    return _About(
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
