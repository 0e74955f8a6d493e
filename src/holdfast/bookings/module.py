"""Bookings put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.bookings.boarding import Boarding
from holdfast.bookings.controller import router
from holdfast.bookings.desk import Desk, HoldLimits
from holdfast.bookings.handlers import CallingOff, Expiry, HoldEnds, ShowHolds
from holdfast.bookings.lifecycle import Lifecycle
from holdfast.bookings.payable import BookingPayable
from holdfast.bookings.seats import SoldOutMemo
from holdfast.bookings.service import BookingService
from holdfast.cache import Marks
from holdfast.database import Database
from holdfast.inventory import Inventory
from holdfast.payments.cash import Cash
from holdfast.resources.gate import NO_GATE, Gate
from holdfast.resources.kind import Kinds


@dataclass(frozen=True)
class BookingsModule:
    service: BookingService
    boarding: Boarding
    router: Router
    payable: BookingPayable
    hold_owner: HoldEnds
    calling_off: CallingOff
    show_holds: ShowHolds
    expiry: Expiry


def build(
    database: Database,
    desk_database: Database,
    inventory: Inventory,
    kinds: Kinds,
    marks: Marks,
    cash: Cash,
    *,
    limits: HoldLimits,
    gate: Gate = NO_GATE,
) -> BookingsModule:
    """``desk_database`` has connections that nobody but the desk waits for. ``gate`` says who may hold at this moment."""
    lifecycle = Lifecycle(inventory, kinds)
    desk = Desk(desk_database, inventory, kinds, SoldOutMemo(marks), limits=limits, gate=gate)
    service = BookingService(database, inventory, desk, lifecycle)
    boarding = Boarding(database, cash)
    return BookingsModule(
        service=service,
        boarding=boarding,
        router=router(service, boarding),
        payable=BookingPayable(inventory, kinds, lifecycle),
        hold_owner=HoldEnds(),
        calling_off=CallingOff(database, inventory, lifecycle),
        show_holds=ShowHolds(marks),
        expiry=Expiry(database, inventory),
    )
