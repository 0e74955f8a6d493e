"""What complaints announce: that there is one and where it stands, not what it says."""

from typing import ClassVar

from holdfast.bookings.models import BookingId
from holdfast.common.actor import UserId
from holdfast.complaints.models import ComplaintId
from holdfast.complaints.states import ComplaintState
from holdfast.events import Event


class ComplaintEvent(Event, frozen=True, kw_only=True):
    """``user_id`` is the person who complains."""

    subject: ClassVar[str] = "complaint_id"
    complaint_id: ComplaintId
    booking_id: BookingId
    user_id: UserId
    status: ComplaintState


class ComplaintOpened(ComplaintEvent, frozen=True, kw_only=True):
    """Somebody complains about a booking of theirs."""


class ComplaintAnswered(ComplaintEvent, frozen=True, kw_only=True):
    """An admin took it into review, wrote something about it, or closed it."""
