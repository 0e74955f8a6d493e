"""Money that came in time: settled in sets, many payments in one transaction and one commit.

What is not as it usually is (late, of another amount, paid for twice, heard of before) is left to ``outcomes``, one payment at a time.
"""

from collections.abc import Mapping, Sequence

import psycopg
import structlog
from msgspec import Struct

from holdfast import audit, events, idempotency, ledger
from holdfast.audit import Deed
from holdfast.common.actor import SYSTEM
from holdfast.common.batching import Batcher
from holdfast.common.errors import Overloaded
from holdfast.common.money import Amount
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import RequestKey
from holdfast.payments import postings, repository
from holdfast.payments.disputes.models import Dispute
from holdfast.payments.events import PaymentSucceeded
from holdfast.payments.gateway import Captured, DeclineReason
from holdfast.payments.models import Method, Payment, PaymentId, Refund
from holdfast.payments.payable import Arrived, HoldLapsedMeanwhile, Payables, Settled, Standing
from holdfast.payments.repository import Capture
from holdfast.payments.states import PAYMENT, PaymentState, Settlement

log = structlog.get_logger()


class PaymentAnswer(Struct, frozen=True):
    """A payment with what it paid for, what went back of it and its disputes: what is answered, and kept under its request's key."""

    payment: Payment
    standing: Standing | None = None
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()


class SettlingDesk:
    """Settles what it can in the order of arrival, up to 200 payments in one transaction."""

    def __init__(self, database: Database, payables: Payables) -> None:
        self._database = database
        self._payables = payables
        # One set at a time: two would wait for each other's pools, and sets grow while one runs.
        self._batcher: Batcher[tuple[PaymentId, Captured], PaymentAnswer | None] = Batcher(self._answer, in_flight_max=1)

    async def settle(self, payment_id: PaymentId, outcome: Captured) -> PaymentAnswer | None:
        """The payment with its effect; None where nothing was done about it and it has to go alone."""
        return await self._batcher.ask((payment_id, outcome))

    async def _answer(self, requests: Sequence[tuple[PaymentId, Captured]]) -> Sequence[PaymentAnswer | None]:
        # Two words about one payment are settled by the first of them.
        wanted = dict(reversed(requests))
        try:
            settled = await self._settle_all(wanted)
        except (HoldLapsedMeanwhile, Overloaded, psycopg.Error) as error:
            if len(wanted) > 1:
                log.info("settling_taken_apart", payments=len(wanted), reason=type(error).__name__)
            settled = {}
        return [settled.get(payment_id) for payment_id, _ in requests]

    @retried
    async def _settle_all(self, wanted: dict[PaymentId, Captured]) -> dict[PaymentId, PaymentAnswer]:
        async with self._database.transaction() as tx:
            found = [payment for payment in (await repository.get_all(tx, sorted(wanted))).values() if _can_settle(payment)]
            # Pools are locked once in a transaction, so one kind of thing at a time: of another kind they go alone.
            kind = found[0].payable_kind if found else ""
            found = [payment for payment in found if payment.payable_kind == kind]
            if not found:
                return {}
            payable_ids = sorted({payment.payable_id for payment in found})
            locked = await self._payables[kind].lock(tx, payable_ids, settling=True)
            # Whoever moves a payment holds the lock of what it pays for: what is read from here on stays true.
            attempts = await repository.of_payables(tx, kind, payable_ids)
            ready: dict[PaymentId, Payment] = {}
            for payable_id in locked.ready:
                of_thing = attempts[payable_id]
                payment = next((each for each in of_thing.payments if each.id in wanted and _can_settle(each)), None)
                if payment is not None and of_thing.kept is None and is_all_there(payment, wanted[payment.id].amount):
                    ready[payment.id] = payment
            if not ready:
                return {}
            effects = await locked.captured(tx, [arrived(payment) for payment in ready.values()])
            kept = [ready[payment_id] for payment_id, effect in effects.items() if isinstance(effect, Settled)]
            return await self._keep(tx, kind, kept, wanted) if kept else {}

    async def _keep(self, tx: Tx, kind: str, kept: Sequence[Payment], wanted: dict[PaymentId, Captured]) -> dict[PaymentId, PaymentAnswer]:
        captures = [Capture(p.id, Settlement.KEPT, p.total, wanted[p.id].reference) for p in kept]
        settled = await settle(tx, kept, captures)
        standing = await self._payables[kind].standing(tx, [payment.payable_id for payment in settled])
        answers = {payment.id: PaymentAnswer(payment, standing.get(payment.payable_id)) for payment in settled}
        await keep_answers(tx, kept, answers)
        return answers


async def keep_answers(tx: Tx, before: Sequence[Payment], answers: Mapping[PaymentId, PaymentAnswer]) -> None:
    """Under the keys of the requests that began these payments: for those that were still undecided ``before``."""
    keys = {
        RequestKey(payment.payer_id, payment.idempotency_key): answers[payment.id]
        for payment in before
        if payment.status is PaymentState.INITIATED and payment.idempotency_key is not None
    }
    await idempotency.keep(tx, keys)


async def settle(tx: Tx, before: Sequence[Payment], captures: Sequence[Capture]) -> list[Payment]:
    """Write that money was taken, in the rows, the ledger, the audit log and the event log. What is paid for is locked."""
    settled = await repository.settle(tx, captures)
    pairs = [(payment, settled[payment.id]) for payment in before]
    returned = [after for _, after in pairs if after.wallet_amount and not after.is_kept]
    await ledger.post(
        tx,
        [
            *(postings.capture(after) for _, after in pairs),
            *(postings.cash_kept(after) for _, after in pairs if after.is_kept and after.method is Method.CASH),
            *(postings.reserve_returned(after, after.captured_at) for after in returned if after.captured_at),
        ],
    )
    await audit.record(tx, [Deed(SYSTEM, "payment.captured", after.id, before=facts(was), after=facts(after)) for was, after in pairs])
    await events.publish(tx, [succeeded(after) for _, after in pairs if after.is_kept])
    return [after for _, after in pairs]


def is_all_there(payment: Payment, captured: Amount) -> bool:
    """Whether what the gateway took makes up the total, with what was set aside of a wallet: after a no that went back into it."""
    return captured == payment.charged and (not payment.wallet_amount or payment.status is PaymentState.INITIATED)


def _can_settle(payment: Payment) -> bool:
    return PAYMENT.allows(payment.status, PaymentState.SUCCESS)


def arrived(payment: Payment) -> Arrived:
    return Arrived(payment.id, payment.payable_id, payment.payer_id, payment.total)


def facts(payment: Payment) -> dict[str, object]:
    return {
        "status": payment.status.value,
        "settlement": payment.settlement.value if payment.settlement else None,
        "amount": payment.captured_amount or payment.total_amount,
        "currency": payment.captured_currency or payment.currency,
        "decline_reason": DeclineReason.of(payment.decline_reason).value if payment.decline_reason is not None else None,
    }


def succeeded(payment: Payment) -> PaymentSucceeded:
    return PaymentSucceeded(
        version=payment.version,
        payment_id=payment.id,
        payable_kind=payment.payable_kind,
        payable_id=payment.payable_id,
        payer_id=payment.payer_id,
        payee_id=payment.payee_id,
        amount=payment.total,
    )
