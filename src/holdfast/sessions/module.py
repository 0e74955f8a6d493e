"""Sessions put together."""

from dataclasses import dataclass
from datetime import timedelta

from litestar import Router

from holdfast.common.money import Amount
from holdfast.database import Database
from holdfast.inventory import Inventory
from holdfast.sessions.controller import router
from holdfast.sessions.handlers import FormerDrivers
from holdfast.sessions.kind import SessionKind
from holdfast.sessions.service import SessionService


@dataclass(frozen=True)
class SessionsModule:
    service: SessionService
    router: Router
    kind: SessionKind
    follower: FormerDrivers


def build(database: Database, inventory: Inventory, *, hold_lifetime: timedelta, service_fee: Amount) -> SessionsModule:
    service = SessionService(database, inventory, currency=service_fee.currency)
    kind = SessionKind(hold_lifetime=hold_lifetime, service_fee=service_fee)
    return SessionsModule(service, router(service), kind, FormerDrivers(service))
