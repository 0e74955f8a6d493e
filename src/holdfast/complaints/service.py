"""Complaining, and answering."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.bookings.errors import BookingUnknown
from holdfast.bookings.models import Booking, BookingId
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.complaints import repository
from holdfast.complaints.errors import ComplaintClosed, ComplaintUnknown, TooManyComplaints
from holdfast.complaints.events import ComplaintAnswered, ComplaintOpened
from holdfast.complaints.models import OPEN_MAX, Complaint, ComplaintId
from holdfast.complaints.states import COMPLAINT, ComplaintState
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey


class BookingCustomers(Protocol):
    """Whose booking is this? The service of ``bookings`` knows."""

    async def customers_of(self, tx: Tx, ids: Sequence[BookingId]) -> Mapping[BookingId, Booking]: ...


class ComplaintService:
    """The use cases of complaints."""

    def __init__(self, database: Database, bookings: BookingCustomers) -> None:
        self._database = database
        self._bookings = bookings

    @retried
    async def open(self, actor: Actor, key: IdempotencyKey | None, booking_id: BookingId, message: str) -> Complaint:
        """Somebody complains about a booking of theirs.

        Raises BookingUnknown (also for another's booking), TooManyComplaints.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Complaint) as once:
            if once.replay:
                return once.replay
            booking = (await self._bookings.customers_of(tx, [booking_id])).get(booking_id)
            if booking is None or booking.customer_id != actor.id:
                raise BookingUnknown
            opened = await repository.insert(tx, ComplaintId.new(), actor.id, booking_id, message)
            if opened is None:
                raise TooManyComplaints(open_max=OPEN_MAX)
            await audit.record(tx, [Deed(actor, "complaint.opened", opened.id, after=_facts(opened))])
            await events.publish(
                tx,
                [
                    ComplaintOpened(
                        complaint_id=opened.id,
                        booking_id=opened.booking_id,
                        user_id=opened.user_id,
                        status=opened.status,
                        version=opened.version,
                    )
                ],
            )
            return once.keep(opened)

    async def list_own(self, actor: Actor, page: PageRequest) -> Page[Complaint]:
        """A person's own complaints, newest first."""
        async with self._database.reading() as tx:
            rows = await repository.list_own(tx, actor.id, page.after(ComplaintId), page.limit + 1)
        return Page.cut(rows, page, _cursor)

    @retried
    async def list_all(
        self, actor: Actor, page: PageRequest, *, status: ComplaintState | None = None, booking_id: BookingId | None = None
    ) -> Page[Complaint]:
        """Everybody's complaints, newest first, for an admin. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            rows = await repository.list_all(tx, status, booking_id, page.after(ComplaintId), page.limit + 1)
            found = Page.cut(rows, page, _cursor)
            await audit.record(tx, [Deed(actor, "complaint.viewed", complaint.id) for complaint in found.rows])
        return found

    @retried
    async def read(self, actor: Actor, complaint_id: ComplaintId) -> Complaint:
        """One complaint, for who made it and for admins. Raises ComplaintUnknown."""
        async with self._database.transaction() as tx:
            found = await repository.read(tx, complaint_id, None if actor.is_admin else actor.id)
            if found is None:
                raise ComplaintUnknown
            if found.user_id != actor.id:
                await audit.record(tx, [Deed(actor, "complaint.viewed", found.id)])
        return found

    @retried
    async def answer(
        self,
        actor: Actor,
        key: IdempotencyKey | None,
        complaint_id: ComplaintId,
        version: int,
        *,
        status: ComplaintState | None = None,
        admin_note: str | None = None,
    ) -> Complaint:
        """An admin moves a complaint on, writes a note that the passenger sees, or both; None leaves either as it is.

        Raises ComplaintUnknown, Outdated, ComplaintOpen, ComplaintInReview, ComplaintClosed; Invalid where it is closed without a note.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Complaint) as once:
            if once.replay:
                return once.replay
            before = await repository.lock(tx, complaint_id)
            if before is None:
                raise ComplaintUnknown
            if before.version != version:
                raise Outdated
            after = _answered(before, status)
            note = admin_note or before.admin_note
            if after is ComplaintState.CLOSED and note is None:
                raise Invalid(("adminNote", "Say how it was answered before you close it."))
            answered = await repository.answer(tx, complaint_id, after, note)
            await audit.record(tx, [Deed(actor, "complaint.answered", answered.id, before=_facts(before), after=_facts(answered))])
            await events.publish(
                tx,
                [
                    ComplaintAnswered(
                        complaint_id=answered.id,
                        booking_id=answered.booking_id,
                        user_id=answered.user_id,
                        status=answered.status,
                        version=answered.version,
                    )
                ],
            )
            return once.keep(answered)


def _answered(before: Complaint, status: ComplaintState | None) -> ComplaintState:
    if status is not None:
        return COMPLAINT.move(before.status, to=status)
    if before.status is ComplaintState.CLOSED:
        raise ComplaintClosed
    return before.status


def _facts(complaint: Complaint) -> dict[str, object]:
    """What the audit log keeps of a complaint: never what anybody wrote."""
    return {
        "booking_id": str(complaint.booking_id),
        "status": complaint.status.value,
        "has_note": complaint.admin_note is not None,
        "version": complaint.version,
    }


def _cursor(complaint: Complaint) -> str:
    return encode_cursor(str(complaint.id))
