"""Puts payouts together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.payouts.controller import router
from holdfast.payouts.service import PayoutService, SessionMoney


@dataclass(frozen=True)
class PayoutsModule:
    service: PayoutService
    router: Router


def build(database: Database, sessions: SessionMoney) -> PayoutsModule:
    """``sessions`` knows the sessions and what their bookings brought in."""
    service = PayoutService(database, sessions)
    return PayoutsModule(service, router(service))
