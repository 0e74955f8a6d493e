"""The statements of complaints."""

from collections.abc import Sequence

from holdfast.bookings.models import BookingId
from holdfast.common.actor import UserId
from holdfast.complaints.models import OPEN_MAX, Complaint, ComplaintId
from holdfast.complaints.states import ComplaintState
from holdfast.database import Tx, queries

SQL = queries(__file__)


async def insert(tx: Tx, complaint_id: ComplaintId, user_id: UserId, booking_id: BookingId, message: str) -> Complaint | None:
    """A new complaint; None where the booking has as many open ones as it may."""
    # Whoever loses a race for a place looks for the next one; after as many losses as there are places none is left.
    for _ in range(OPEN_MAX):
        opened = await tx.first(
            SQL.open_complaint,
            Complaint,
            id=complaint_id,
            user_id=user_id,
            booking_id=booking_id,
            message=message,
            open_max=OPEN_MAX,
        )
        if opened is not None:
            return opened
    return None


async def lock(tx: Tx, complaint_id: ComplaintId) -> Complaint | None:
    return await tx.first(SQL.lock_complaint, Complaint, id=complaint_id)


async def read(tx: Tx, complaint_id: ComplaintId, user_id: UserId | None) -> Complaint | None:
    """A complaint; with ``user_id`` only where it is that person's."""
    return await tx.first(SQL.read_complaint, Complaint, id=complaint_id, user_id=user_id)


async def answer(tx: Tx, complaint_id: ComplaintId, status: ComplaintState, admin_note: str | None) -> Complaint:
    answered = await tx.first(SQL.answer_complaint, Complaint, id=complaint_id, status=status.value, admin_note=admin_note)
    assert answered is not None, "the row is locked"
    return answered


async def list_own(tx: Tx, user_id: UserId, before: ComplaintId | None, limit: int) -> Sequence[Complaint]:
    return await tx.all(SQL.list_own, Complaint, user_id=user_id, before=before, limit=limit)


async def list_all(
    tx: Tx, status: ComplaintState | None, booking_id: BookingId | None, before: ComplaintId | None, limit: int
) -> Sequence[Complaint]:
    """Everybody's complaints; a filter that is None lets all through."""
    return await tx.all(SQL.list_all, Complaint, status=status and status.value, booking_id=booking_id, before=before, limit=limit)
