"""Complaints over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET

from holdfast.bookings.errors import BookingUnknown
from holdfast.bookings.models import BookingId
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.guards import provided, refusals, requires, tagged
from holdfast.common.paging import PageRequest, PageView
from holdfast.complaints.dto import AnswerRequest, ComplaintRequest, ComplaintView
from holdfast.complaints.errors import (
    ComplaintClosed,
    ComplaintInReview,
    ComplaintOpen,
    ComplaintUnknown,
    TooManyComplaints,
)
from holdfast.complaints.models import ComplaintId
from holdfast.complaints.service import ComplaintService
from holdfast.complaints.states import ComplaintState
from holdfast.idempotency import IdempotencyKey


class ComplaintController(Controller):
    path = "/complaints"
    tags = ("Complaints",)

    @post("/", guards=[requires()], responses=refusals(BookingUnknown, TooManyComplaints))
    async def open_complaint(
        self,
        data: JSONBody[ComplaintRequest],
        service: NamedDependency[ComplaintService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[ComplaintView]:
        """Say what went wrong with a booking of yours. An admin answers; you are notified."""
        opened = await service.open(actor, optional_key, data.booking_id, data.message)
        return tagged(ComplaintView.of(opened), opened.version)

    @get("/my", guards=[requires()])
    async def list_my_complaints(
        self, service: NamedDependency[ComplaintService], actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> PageView[ComplaintView]:
        """Your complaints, newest first, with what was answered."""
        return PageView.of(await service.list_own(actor, page), page, ComplaintView.of)

    @get("/", guards=[requires(Role.ADMIN)])
    async def list_complaints(
        self,
        service: NamedDependency[ComplaintService],
        actor: NamedDependency[Actor],
        page: NamedDependency[PageRequest],
        status: FromQuery[ComplaintState | None] = None,
        booking_id: Annotated[BookingId | None, QueryParameter(name="bookingId")] = None,
    ) -> PageView[ComplaintView]:
        """Everybody's complaints, newest first, for admins. That you looked at them is written into the audit log."""
        found = await service.list_all(actor, page, status=status, booking_id=booking_id)
        return PageView.of(found, page, ComplaintView.of)

    @get("/{complaint_id:str}", guards=[requires()], responses=refusals(ComplaintUnknown))
    async def read_complaint(
        self, complaint_id: FromPath[str], service: NamedDependency[ComplaintService], actor: NamedDependency[Actor]
    ) -> Response[ComplaintView]:
        """One complaint of yours; admins see every one."""
        found = await service.read(actor, ComplaintId.parse(complaint_id))
        return tagged(ComplaintView.of(found), found.version)

    @patch(
        "/{complaint_id:str}",
        guards=[requires(Role.ADMIN)],
        responses=refusals(ComplaintUnknown, Outdated, ComplaintOpen, ComplaintInReview, ComplaintClosed),
    )
    async def answer_complaint(
        self,
        complaint_id: FromPath[str],
        data: JSONBody[AnswerRequest],
        service: NamedDependency[ComplaintService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[ComplaintView]:
        """Take a complaint into review, then close it with a note. The passenger sees the note and is notified."""
        if data.status is UNSET and data.admin_note is UNSET:
            raise Invalid(("status", "Send status, adminNote or both."))
        answered = await service.answer(
            actor,
            optional_key,
            ComplaintId.parse(complaint_id),
            version,
            status=data.status or None,
            admin_note=data.admin_note or None,
        )
        return tagged(ComplaintView.of(answered), answered.version)


def router(service: ComplaintService) -> Router:
    return Router(path="/", route_handlers=[ComplaintController], dependencies={"service": provided(service)})
