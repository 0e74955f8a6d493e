"""Puts payments together."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Router

from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.jobs import Job
from holdfast.payments.cash import Cash
from holdfast.payments.controller import router
from holdfast.payments.desk import WalletDesk
from holdfast.payments.gateway import Gateways
from holdfast.payments.inbox import Inbox
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Payables
from holdfast.payments.reconcile import Reconciler
from holdfast.payments.refunds import Refunds
from holdfast.payments.screening import NO_SCREENING, Screening
from holdfast.payments.service import PaymentService

OWES_MAX = egp(100)


@dataclass(frozen=True)
class PaymentsModule:
    """``reconciler.run`` is a loop of the worker."""

    service: PaymentService
    outcomes: Outcomes
    cash: Cash
    refunds: Refunds
    inbox: Inbox
    reconciler: Reconciler
    router: Router
    gateways: Gateways
    jobs: Sequence[Job]

    async def close(self) -> None:
        """Close the connections to gateways."""
        await self.gateways.close()


def build(
    database: Database,
    payables: Payables,
    gateways: Gateways,
    *,
    screening: Screening = NO_SCREENING,
    owes_max: Amount = OWES_MAX,
    return_url: str | None = None,
) -> PaymentsModule:
    """``payables`` may still be empty: what is sold sits above payments and is added afterwards. ``screening`` watches for fraud;
    ``owes_max`` is how much a driver may owe of cash.
    """
    outcomes = Outcomes(database, payables)
    refunds = Refunds(database, gateways)
    inbox = Inbox(database, gateways, outcomes, refunds)
    cash = Cash(database, payables, outcomes, owes_max=owes_max)
    wallets = WalletDesk(database, payables, screening)
    service = PaymentService(database, payables, gateways, outcomes, wallets, cash, return_url, screening)
    return PaymentsModule(
        service=service,
        outcomes=outcomes,
        cash=cash,
        refunds=refunds,
        inbox=inbox,
        reconciler=Reconciler(database, gateways, outcomes, refunds, inbox, cash),
        router=router(service, inbox, payables),
        gateways=gateways,
        jobs=[Job("payments.forget_old", inbox.forget_old, schedule="23 3 * * *")],
    )
