"""The ledger put together: what admins read, and what the worker does."""

from dataclasses import dataclass

from litestar import Router

from holdfast.database import Database
from holdfast.ledger.controller import router
from holdfast.ledger.days import Days
from holdfast.ledger.roll_up import RollUp
from holdfast.ledger.service import LedgerService


@dataclass(frozen=True)
class LedgerModule:
    service: LedgerService
    roll_up: RollUp
    days: Days
    router: Router


def build(database: Database, *, zone: str) -> LedgerModule:
    """``zone``: whose midnight a business day begins at."""
    service = LedgerService(database, zone=zone)
    return LedgerModule(service, RollUp(database), Days(database, zone=zone), router(service))
