"""Bookings put together."""

from dataclasses import dataclass

from litestar import Router

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
from holdfast.resources.kind import Kinds


@dataclass(frozen=True)
class BookingsModule:
    service: BookingService
    router: Router
    payable: BookingPayable
    hold_owner: HoldEnds
    calling_off: CallingOff
    show_holds: ShowHolds
    expiry: Expiry


def build(
    database: Database, desk_database: Database, inventory: Inventory, kinds: Kinds, marks: Marks, *, limits: HoldLimits
) -> BookingsModule:
    """``desk_database`` has connections that nobody but the desk waits for."""
    lifecycle = Lifecycle(inventory, kinds)
    desk = Desk(desk_database, inventory, kinds, SoldOutMemo(marks), limits=limits)
    service = BookingService(database, inventory, desk, lifecycle)
    return BookingsModule(
        service=service,
        router=router(service),
        payable=BookingPayable(inventory, kinds, lifecycle),
        hold_owner=HoldEnds(),
        calling_off=CallingOff(database, inventory, lifecycle),
        show_holds=ShowHolds(marks),
        expiry=Expiry(database, inventory),
    )
