"""Requests and views of complaints."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import UNSET, Meta, Struct, UnsetType

from holdfast.bookings.models import BookingId
from holdfast.complaints.models import LENGTH_MAX, Complaint
from holdfast.complaints.states import ComplaintState

Words = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=LENGTH_MAX,
        # Blanks alone say nothing.
        pattern=r"\S",
        examples=["The driver left before the time he had said."],
    ),
]


class ComplaintRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What went wrong with a booking of yours."""

    booking_id: BookingId
    message: Words


class AnswerRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where a complaint stands now, a note that the passenger sees, or both."""

    status: ComplaintState | UnsetType = UNSET
    admin_note: Words | UnsetType = UNSET


class ComplaintView(Struct, frozen=True, rename="camel"):
    """A complaint, as the person who made it and admins see it. ``version`` is what a PATCH sends as If-Match, in quotes."""

    id: str
    user_id: str
    booking_id: str
    message: str
    status: ComplaintState
    admin_note: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, complaint: Complaint) -> Self:
        return cls(
            id=str(complaint.id),
            user_id=str(complaint.user_id),
            booking_id=str(complaint.booking_id),
            message=complaint.message,
            status=complaint.status,
            admin_note=complaint.admin_note,
            version=complaint.version,
            created_at=complaint.created_at,
            updated_at=complaint.updated_at,
        )
