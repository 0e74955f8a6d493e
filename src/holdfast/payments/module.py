"""Puts payments together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.payments.controller import router
from holdfast.payments.gateway import Gateways
from holdfast.payments.inbox import Inbox
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Payables
from holdfast.payments.reconcile import Reconciler
from holdfast.payments.refunds import Refunds
from holdfast.payments.service import PaymentService


@dataclass(frozen=True)
class PaymentsModule:
    """``refunds.soon`` is called after a commit that asked for refunds; ``reconciler.run`` is a loop of the worker."""

    service: PaymentService
    refunds: Refunds
    inbox: Inbox
    reconciler: Reconciler
    router: Router
    gateways: Gateways

    async def close(self) -> None:
        """Finish the refunds that run in the background, and close the connections to gateways."""
        await self.refunds.close()
        await self.gateways.close()


def build(database: Database, payables: Payables, gateways: Gateways, *, return_url: str | None = None) -> PaymentsModule:
    """``payables`` may still be empty: what is sold sits above payments and is added afterwards."""
    outcomes = Outcomes(database, payables)
    refunds = Refunds(database, gateways)
    inbox = Inbox(database, gateways, outcomes, refunds)
    service = PaymentService(database, payables, gateways, outcomes, return_url)
    return PaymentsModule(
        service=service,
        refunds=refunds,
        inbox=inbox,
        reconciler=Reconciler(database, gateways, outcomes, refunds, inbox),
        router=router(service, inbox, payables),
        gateways=gateways,
    )
