"""Puts complaints together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.complaints.controller import router
from holdfast.complaints.service import BookingCustomers, ComplaintService
from holdfast.database import Database


@dataclass(frozen=True)
class ComplaintsModule:
    service: ComplaintService
    router: Router


def build(database: Database, bookings: BookingCustomers) -> ComplaintsModule:
    """``bookings`` says whose booking one is."""
    service = ComplaintService(database, bookings)
    return ComplaintsModule(service, router(service))
