"""The worker's part: asks for outcomes that nobody has told, gives money back, and acts upon messages that wait.

Everything it takes it claims for a while, past rows that others have claimed, so that several workers share the work and what one
leaves behind when it dies another takes up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from holdfast.database import Database
from holdfast.payments import repository
from holdfast.payments.cash import Cash
from holdfast.payments.gateway import Declined, Gateways, Known, Outcome, Unknown
from holdfast.payments.inbox import Inbox
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.refunds import Refunds
from holdfast.payments.repository import Unanswered

LEASE = timedelta(seconds=30)
GRACE = timedelta(seconds=20)
"""After so long a payment that the gateway never heard of has failed: whoever was to call has given up. Should the call arrive all
the same, captured is the only final word."""

NOT_RECEIVED = "not_received"
AT_ONCE_MAX = 20
IDLE_WAIT_S = 0.5
FAILURE_WAIT_S = 1.0

log = structlog.get_logger()


class Reconciler:
    """Brings what is undecided to an end."""

    def __init__(
        self,
        database: Database,
        gateways: Gateways,
        outcomes: Outcomes,
        refunds: Refunds,
        inbox: Inbox,
        cash: Cash,
        *,
        grace: timedelta = GRACE,
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._outcomes = outcomes
        self._refunds = refunds
        self._inbox = inbox
        self._cash = cash
        self._grace = grace

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_repeat("payments_unanswered", self.ask_for_unanswered))
            group.create_task(_repeat("refunds_due", self._refunds.do_due))
            group.create_task(_repeat("webhooks_waiting", self._inbox.apply_waiting))
            group.create_task(_repeat("cash_given_up", self._cash.give_up))

    async def ask_for_unanswered(self) -> int:
        """Ask gateways for the outcome of payments that have none; returns how many were asked for."""
        async with self._database.transaction() as tx:
            claimed = await repository.claim_unanswered(tx, self._gateways.names(), limit=AT_ONCE_MAX, lease=LEASE, grace=self._grace)
        async with asyncio.TaskGroup() as group:
            for payment in claimed:
                group.create_task(self._ask(payment))
        return len(claimed)

    async def _ask(self, payment: Unanswered) -> None:
        try:
            await self._outcomes.apply(payment.id, await self._outcome(payment))
        except repository.DATABASE_AWAY as error:
            log.warning("outcome_waits", payment_id=str(payment.id), reason=str(error))
        except Exception:
            # One payment that trips us must not take its neighbours with it.
            log.exception("outcome_failed", payment_id=str(payment.id))

    async def _outcome(self, payment: Unanswered) -> Outcome:
        found = await self._gateways[payment.gateway].find(payment.id, Known(payment.gateway_reference))
        if found is not None:
            return found
        return Declined(NOT_RECEIVED) if payment.is_overdue else Unknown("the gateway has not heard of it yet")


async def _repeat(name: str, step: Callable[[], Awaitable[int]]) -> None:
    while True:
        try:
            done = await step()
        except repository.DATABASE_AWAY as error:
            log.warning("work_waits", work=name, reason=str(error))
            await asyncio.sleep(FAILURE_WAIT_S)
            continue
        except Exception:
            # A fault of ours in one kind of work must not end the others.
            log.exception("work_failed", work=name)
            await asyncio.sleep(FAILURE_WAIT_S)
            continue
        if not done:
            await asyncio.sleep(IDLE_WAIT_S)
