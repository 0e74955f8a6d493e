"""The one place where a gateway's word about a payment becomes true here.

It comes from four sides: the answer of the call, a webhook, the worker that asked, a request that was repeated. All call ``apply``,
which may be called with the same word as often as it comes, in any order.
"""

import asyncio
from datetime import timedelta

import structlog

from holdfast import audit, events, ledger
from holdfast.audit import Deed
from holdfast.common.actor import SYSTEM
from holdfast.common.errors import Overloaded
from holdfast.common.money import Amount
from holdfast.database import Database, Tx, retried
from holdfast.payments import postings, refunds, repository
from holdfast.payments.disputes.repository import disputes_of
from holdfast.payments.events import PaymentFailed
from holdfast.payments.gateway import Captured, Declined, DeclineReason, Outcome, Pending, Unknown
from holdfast.payments.models import Destination, Method, Payment, PaymentId, RefundId
from holdfast.payments.payable import HoldLapsedMeanwhile, Locked, Mismatch, Payables, Settled, TooLate
from holdfast.payments.repository import Capture, NewRefund
from holdfast.payments.settling import PaymentAnswer, SettlingDesk, arrived, facts, is_all_there, keep_answers, settle
from holdfast.payments.states import PAYMENT, PaymentState, RefundReason, Settlement

ASK_IN_MIN = timedelta(seconds=1)
ASK_IN_MAX = timedelta(minutes=1)
LAPSES_MAX = 3

log = structlog.get_logger()

_REFUNDED_BECAUSE = {
    Settlement.TOO_LATE: RefundReason.TOO_LATE,
    Settlement.MISMATCH: RefundReason.MISMATCH,
    Settlement.ALREADY_PAID: RefundReason.ALREADY_PAID,
}


class Outcomes:
    """Applies outcomes of payments, each in one transaction with all that follows from it."""

    def __init__(self, database: Database, payables: Payables) -> None:
        self._database = database
        self._payables = payables
        self._together = SettlingDesk(database, payables)
        # Waiting here has no deadline: what a set left must not lose its turn to the rest of that set.
        self._turns = asyncio.Semaphore(database.transactions_max)

    async def apply(self, payment_id: PaymentId, outcome: Outcome) -> PaymentAnswer | None:
        """Make an outcome true: the effect on what was paid for, the payment, the ledger, the audit log, the event, the kept answer.

        Returns how the payment stands then; None where it is none of ours. Raises Overloaded: it is then asked for again.
        """
        if isinstance(outcome, Captured):
            settled = await self._together.settle(payment_id, outcome)
            if settled is not None:
                return settled
        async with self._turns:
            return await self._apply_alone(payment_id, outcome)

    @retried
    async def _apply_alone(self, payment_id: PaymentId, outcome: Outcome) -> PaymentAnswer | None:
        for _ in range(LAPSES_MAX):
            try:
                async with self._database.transaction() as tx:
                    return await self._apply(tx, payment_id, outcome)
            except HoldLapsedMeanwhile:
                continue
        raise Overloaded

    async def answer(self, tx: Tx, payment: Payment) -> PaymentAnswer:
        """A payment as it is shown."""
        standing = await self._payables[payment.payable_kind].standing(tx, [payment.payable_id])
        given_back = await repository.refunds_of(tx, [payment.id]) if payment.refund_amount else []
        disputed = await disputes_of(tx, [payment.id]) if payment.captured else []
        return PaymentAnswer(payment, standing.get(payment.payable_id), tuple(given_back), tuple(disputed))

    async def _apply(self, tx: Tx, payment_id: PaymentId, outcome: Outcome) -> PaymentAnswer | None:
        payment = await repository.get(tx, payment_id)
        if payment is None:
            log.warning("payment_not_ours", payment_id=str(payment_id), outcome=type(outcome).__name__)
            return None
        if isinstance(outcome, Pending | Unknown):
            return await self.answer(tx, await _leave_undecided(tx, payment, outcome) or await _again(tx, payment))
        target = PaymentState.SUCCESS if isinstance(outcome, Captured) else PaymentState.FAILED
        # From a state from which it cannot be reached no move leads back to one from which it can: there is nothing to wait for.
        if not PAYMENT.allows(payment.status, target):
            return await self.answer(tx, payment)
        locked = await self._payables[payment.payable_kind].lock(tx, [payment.payable_id], settling=isinstance(outcome, Captured))
        # Whoever moves a payment holds the lock of what it pays for: what is read from here on stays true.
        before = await _again(tx, payment)
        if not PAYMENT.allows(before.status, target):
            return await self.answer(tx, before)
        after = await (self._settle(tx, locked, before, outcome) if isinstance(outcome, Captured) else _fail(tx, locked, before, outcome))
        answer = await self.answer(tx, after)
        await keep_answers(tx, [before], {before.id: answer})
        return answer

    async def _settle(self, tx: Tx, locked: Locked, payment: Payment, outcome: Captured) -> Payment:
        settlement = await _effect(tx, locked, payment, outcome.amount)
        taken = payment.total if settlement is Settlement.KEPT else outcome.amount
        (settled,) = await settle(tx, [payment], [Capture(payment.id, settlement, taken, outcome.reference)])
        if settled.is_kept:
            return settled
        log.warning("payment_not_kept", payment_id=str(settled.id), settlement=settlement.value)
        back = NewRefund(
            RefundId.new(),
            settled.id,
            outcome.amount,
            Amount(outcome.amount.currency, 0),
            _REFUNDED_BECAUSE[settlement],
            SYSTEM.id,
            # Nobody runs after a driver for what he was given too late: he owes it, and the passenger has it.
            Destination.WALLET if settled.method is Method.CASH else Destination.SOURCE,
        )
        await refunds.owe(tx, SYSTEM, [back])
        return await _again(tx, settled)


async def _effect(tx: Tx, locked: Locked, payment: Payment, amount: Amount) -> Settlement:
    if not is_all_there(payment, amount):
        return Settlement.MISMATCH
    others = (await repository.of_payables(tx, payment.payable_kind, [payment.payable_id]))[payment.payable_id]
    if others.kept is not None:
        return Settlement.ALREADY_PAID
    effects = await locked.captured(tx, [arrived(payment)])
    match effects[payment.id]:
        case Settled():
            return Settlement.KEPT
        case TooLate():
            return Settlement.TOO_LATE
        case Mismatch():
            return Settlement.MISMATCH


async def _fail(tx: Tx, locked: Locked, payment: Payment, outcome: Declined) -> Payment:
    await locked.failed(tx, [arrived(payment)])
    failed = await repository.fail(tx, payment.id, outcome.reason, outcome.reference)
    assert failed is not None
    if failed.wallet_amount:
        await ledger.post(tx, [postings.reserve_returned(failed, await repository.business_now(tx))])
    await audit.record(tx, [Deed(SYSTEM, "payment.failed", failed.id, before=facts(payment), after=facts(failed))])
    await events.publish(
        tx,
        [
            PaymentFailed(
                version=failed.version,
                payment_id=failed.id,
                payable_kind=failed.payable_kind,
                payable_id=failed.payable_id,
                payer_id=failed.payer_id,
                payee_id=failed.payee_id,
                amount=failed.total,
                reason=DeclineReason.of(outcome.reason),
            )
        ],
    )
    return failed


async def _again(tx: Tx, payment: Payment) -> Payment:
    found = await repository.get(tx, payment.id)
    assert found is not None
    return found


async def _leave_undecided(tx: Tx, payment: Payment, outcome: Pending | Unknown) -> Payment | None:
    return await repository.leave_undecided(
        tx,
        payment.id,
        is_unknown=isinstance(outcome, Unknown),
        next_action=outcome.next_action if isinstance(outcome, Pending) else None,
        reference=outcome.reference if isinstance(outcome, Pending) else None,
        ask_in=min(ASK_IN_MIN * 2 ** min(payment.asks, 10), ASK_IN_MAX),
    )
