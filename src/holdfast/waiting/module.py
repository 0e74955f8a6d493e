"""Waiting rooms put together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from litestar import Router

from holdfast.database import Database
from holdfast.waiting.admission import Admission
from holdfast.waiting.controller import router
from holdfast.waiting.gate import WaitingGate
from holdfast.waiting.owners import OwnerKind, OwnerKinds
from holdfast.waiting.service import WaitingService
from holdfast.waiting.sight import Sight
from holdfast.waiting.tickets import Tickets


@dataclass(frozen=True)
class WaitingModule:
    """``gate`` stands before holds. ``run`` goes on, until cancelled, in every process: one of them is enough to admit."""

    service: WaitingService
    router: Router
    gate: WaitingGate
    admission: Admission
    sight: Sight
    run: Callable[[], Awaitable[None]]


def build(database: Database, tickets: Tickets, *owner_kinds: OwnerKind, turn: timedelta, joins_max: int) -> WaitingModule:
    """``turn`` is how long an admitted person has to hold, ``joins_max`` how many turns one person may have in one room."""
    kinds, sight = OwnerKinds(*owner_kinds), Sight(database)
    service = WaitingService(database, kinds, sight, tickets, joins_max=joins_max)
    admission = Admission(database, sight, turn)
    return WaitingModule(service, router(service), WaitingGate(sight, kinds), admission, sight, admission.run)
