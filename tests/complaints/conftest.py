"""A shop whose customers complain."""

from dataclasses import dataclass

import pytest
from tests.shop import Shop

from holdfast.bookings.models import BookingId
from holdfast.common.actor import Actor, Role
from holdfast.complaints import module
from holdfast.complaints.models import Complaint
from holdfast.complaints.service import ComplaintService
from holdfast.complaints.states import ComplaintState
from holdfast.database import Database


@dataclass(frozen=True)
class Desk:
    """Where complaints arrive: a customer with a booking, and an admin who answers."""

    shop: Shop
    complaints: ComplaintService
    customer: Actor
    admin: Actor
    booking_id: BookingId

    async def open(self, message: str = "The driver left without me.") -> Complaint:
        return await self.complaints.open(self.customer, None, self.booking_id, message)

    async def answer(
        self, complaint: Complaint, status: ComplaintState | None = None, note: str | None = None, *, version: int | None = None
    ) -> Complaint:
        version = complaint.version if version is None else version
        return await self.complaints.answer(self.admin, None, complaint.id, version, status=status, admin_note=note)


@pytest.fixture
async def desk(database: Database) -> Desk:
    shop = Shop(database)
    await shop.open()
    customer = await shop.person()
    booking = await shop.hold(customer, await shop.session())
    complaints = module.build(database, shop.bookings.service)
    return Desk(shop, complaints.service, customer, await shop.person(Role.ADMIN), booking.id)
