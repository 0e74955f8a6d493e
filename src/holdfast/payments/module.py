"""Puts payments together."""

from collections.abc import Sequence
from dataclasses import dataclass

from litestar import Router

from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.jobs import Job
from holdfast.payments.availability.controller import router as availability_router
from holdfast.payments.availability.service import Availability
from holdfast.payments.cash import Cash
from holdfast.payments.controller import router
from holdfast.payments.desk import WalletDesk
from holdfast.payments.disputes.controller import router as dispute_router
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.gateway import Gateways
from holdfast.payments.inbox import Inbox
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Payables
from holdfast.payments.reconcile import Reconciler
from holdfast.payments.refund_orders.controller import router as order_router
from holdfast.payments.refund_orders.service import RefundOrders
from holdfast.payments.refunds import Refunds
from holdfast.payments.screening import NO_SCREENING, Screening
from holdfast.payments.service import PaymentService

OWES_MAX = egp(100)
REFUND_LIMIT_MINOR = 50_000


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
    refund_limit_minor: int = REFUND_LIMIT_MINOR,
    return_url: str | None = None,
) -> PaymentsModule:
    """``payables`` may still be empty: what is sold sits above payments and is added afterwards. ``screening`` watches for fraud;
    ``owes_max`` is how much a driver may owe of cash, ``refund_limit_minor`` what one admin may give back of a payment alone.
    """
    outcomes = Outcomes(database, payables)
    refunds = Refunds(database, gateways)
    disputes = Disputes(database)
    orders = RefundOrders(database, payables, limit_minor=refund_limit_minor)
    inbox = Inbox(database, gateways, outcomes, refunds, disputes)
    availability = Availability(database, gateways)
    cash = Cash(database, payables, outcomes, owes_max=owes_max)
    wallets = WalletDesk(database, payables, screening)
    service = PaymentService(database, payables, gateways, outcomes, wallets, cash, availability, return_url, screening)
    return PaymentsModule(
        service=service,
        outcomes=outcomes,
        cash=cash,
        refunds=refunds,
        inbox=inbox,
        reconciler=Reconciler(database, gateways, outcomes, refunds, inbox, cash),
        router=Router(
            path="/",
            route_handlers=[
                router(service, inbox, payables),
                dispute_router(disputes),
                order_router(orders),
                availability_router(availability),
            ],
        ),
        gateways=gateways,
        jobs=[Job("payments.forget_old", inbox.forget_old, schedule="23 3 * * *")],
    )
