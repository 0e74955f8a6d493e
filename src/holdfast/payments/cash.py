"""Cash: a payment that waits until the driver says that the money is in his hands, or until it can no longer be made.

The driver keeps his fare at once and owes the fee. Whoever owes too much takes no more cash until some of it is set off.
"""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog

from holdfast import ledger
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.database import Database, Tx, retried
from holdfast.ledger import Account
from holdfast.payments import repository
from holdfast.payments.errors import CashNotTaken
from holdfast.payments.gateway import Captured, Declined, Pending
from holdfast.payments.models import CASH_GATEWAY, Method, Payment, PaymentId
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Due, Payables
from holdfast.payments.settling import PaymentAnswer

AT_ONCE_MAX = 20
LEASE = timedelta(seconds=30)
NOT_PAID = "not_received"

log = structlog.get_logger()


class Cash:
    """What is paid from hand to hand."""

    def __init__(self, database: Database, payables: Payables, outcomes: Outcomes, *, owes_max: Amount) -> None:
        """``owes_max``: how much a driver may owe before nobody can pay him in cash."""
        self._database = database
        self._payables = payables
        self._outcomes = outcomes
        self._owes_max = owes_max

    async def require_taken(self, tx: Tx, payee_id: UUID, currency: str) -> None:
        """Raises CashNotTaken where the payee owes too much. Whoever pays at the same moment may take it a little further."""
        owed = -(await _balances(tx, payee_id)).get(currency, 0)
        if currency == self._owes_max.currency and owed >= self._owes_max.minor:
            raise CashNotTaken

    async def taken(self, kind: str, payable_id: UUID) -> PaymentAnswer | None:
        """The money is in the payee's hands: the payment that waited for it has its effect. None where none waits."""
        waiting = await self._waiting_for(kind, payable_id)
        if waiting is None:
            return None
        return await self._outcomes.apply(waiting.id, Captured(waiting.total, CASH_GATEWAY))

    async def give_up(self) -> int:
        """End payments of things that can no longer be paid for, so that nothing waits for ever; returns how many were looked at."""
        async with self._database.transaction() as tx:
            claimed = await repository.claim_unanswered(tx, [CASH_GATEWAY], limit=AT_ONCE_MAX, lease=LEASE, grace=timedelta(0))
        for payment in claimed:
            try:
                await self._outcomes.apply(payment.id, Pending() if await self._can_be_paid(payment.id) else Declined(NOT_PAID))
            except repository.DATABASE_AWAY as error:
                log.warning("cash_waits", payment_id=str(payment.id), reason=str(error))
        return len(claimed)

    @retried
    async def _waiting_for(self, kind: str, payable_id: UUID) -> Payment | None:
        async with self._database.reading() as tx:
            running = (await repository.of_payables(tx, kind, [payable_id]))[payable_id].running
        return running if running is not None and running.method is Method.CASH else None

    @retried
    async def _can_be_paid(self, payment_id: PaymentId) -> bool:
        async with self._database.transaction() as tx:
            payment = await repository.get(tx, payment_id)
            assert payment is not None
            locked = await self._payables[payment.payable_kind].lock(tx, [payment.payable_id], settling=False)
            due: Mapping[UUID, Due | Refusal] = await locked.amounts_due(tx)
        return isinstance(due.get(payment.payable_id), Due)


async def _balances(tx: Tx, payee_id: UUID) -> dict[str, int]:
    return {amount.currency: amount.minor for amount in await ledger.balance(tx, Account.cash(payee_id))}
