"""The life of a complaint, one move after another."""

import asyncio
from itertools import product

import pytest
from sqlalchemy import text
from tests.complaints.conftest import Desk
from tests.shop import fresh_key

from holdfast.bookings.errors import BookingUnknown
from holdfast.bookings.models import BookingId
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.paging import PageRequest, encode_cursor
from holdfast.complaints import repository
from holdfast.complaints.errors import ComplaintClosed, ComplaintUnknown, TooManyComplaints
from holdfast.complaints.models import OPEN_MAX, Complaint, ComplaintId
from holdfast.complaints.states import COMPLAINT, ComplaintState
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey

FIRST = PageRequest()
SECRET = "He shouted at my mother, Mrs. Hanan."


async def test_a_customer_complains_and_an_admin_answers(desk: Desk) -> None:
    opened = await desk.open()
    assert (opened.status, opened.version, opened.admin_note) == (ComplaintState.OPEN, 1, None)
    reviewed = await desk.answer(opened, ComplaintState.IN_REVIEW)
    closed = await desk.answer(reviewed, ComplaintState.CLOSED, "The driver was warned.")
    assert (closed.status, closed.version, closed.admin_note) == (ComplaintState.CLOSED, 3, "The driver was warned.")
    assert (await desk.complaints.list_own(desk.customer, FIRST)).rows == [closed]


async def test_only_about_ones_own_booking(desk: Desk) -> None:
    stranger = await desk.shop.person()
    for actor, booking_id in ((stranger, desk.booking_id), (desk.customer, BookingId.new())):
        with pytest.raises(BookingUnknown):
            await desk.complaints.open(actor, None, booking_id, "Mine?")
    assert await desk.shop.count_of("complaints") == 0


async def test_others_complaints_are_not_there(desk: Desk) -> None:
    opened = await desk.open()
    stranger = await desk.shop.person()
    with pytest.raises(ComplaintUnknown):
        await desk.complaints.read(stranger, opened.id)
    assert (await desk.complaints.list_own(stranger, FIRST)).rows == []
    assert await desk.complaints.read(desk.customer, opened.id) == opened
    assert await desk.complaints.read(desk.admin, opened.id) == opened
    with pytest.raises(ComplaintUnknown):
        await desk.complaints.read(desk.admin, ComplaintId.new())


async def test_a_booking_has_three_open_complaints_at_most_and_an_answer_makes_room(desk: Desk) -> None:
    complaints = [await desk.open() for _ in range(OPEN_MAX)]
    with pytest.raises(TooManyComplaints) as refused:
        await desk.open()
    assert "3 open complaints" in refused.value.message
    reviewed = await desk.answer(complaints[1], ComplaintState.IN_REVIEW)
    await desk.answer(reviewed, ComplaintState.CLOSED, "Answered.")
    await desk.open()
    with pytest.raises(TooManyComplaints):
        await desk.open()


@pytest.mark.parametrize("guard", ["guarded", "control"])
async def test_twenty_taps_at_once_make_three_complaints(desk: Desk, owner: Database, guard: str) -> None:
    if guard == "control":
        async with owner.transaction() as tx:
            await tx.run(text("DROP INDEX complaints_open_idx"))
    answers = await asyncio.gather(*(desk.open() for _ in range(20)), return_exceptions=True)
    made = [answer for answer in answers if isinstance(answer, Complaint)]
    refused = [answer for answer in answers if isinstance(answer, TooManyComplaints)]
    assert len(made) + len(refused) == 20, answers
    assert len(made) == OPEN_MAX if guard == "guarded" else len(made) > OPEN_MAX
    assert await desk.shop.count_of("complaints") == len(made)


async def test_every_pair_of_states_is_as_the_table_says(desk: Desk) -> None:
    for start, end in product(ComplaintState, ComplaintState):
        complaint = await _in_state(desk, start)
        if COMPLAINT.allows(start, end):
            assert (await desk.answer(complaint, end, "A note.")).status is end
        else:
            with pytest.raises(COMPLAINT.refusals[start]):
                await desk.answer(complaint, end, "A note.")
        async with desk.shop.database.transaction() as tx:
            await repository.answer(tx, complaint.id, ComplaintState.CLOSED, "Out of the way.")


async def _in_state(desk: Desk, state: ComplaintState) -> Complaint:
    complaint = await desk.open()
    async with desk.shop.database.transaction() as tx:
        return await repository.answer(tx, complaint.id, state, "So far.")


async def test_a_note_alone_leaves_the_state_and_none_is_taken_after_the_end(desk: Desk) -> None:
    opened = await desk.open()
    noted = await desk.answer(opened, note="We asked the driver.")
    assert (noted.status, noted.admin_note) == (ComplaintState.OPEN, "We asked the driver.")
    reviewed = await desk.answer(noted, ComplaintState.IN_REVIEW)
    closed = await desk.answer(reviewed, ComplaintState.CLOSED)
    assert closed.admin_note == "We asked the driver."
    with pytest.raises(ComplaintClosed):
        await desk.answer(closed, note="One more thing.")


async def test_it_is_not_closed_without_a_note(desk: Desk) -> None:
    reviewed = await desk.answer(await desk.open(), ComplaintState.IN_REVIEW)
    with pytest.raises(Invalid):
        await desk.answer(reviewed, ComplaintState.CLOSED)
    assert await desk.complaints.read(desk.admin, reviewed.id) == reviewed


async def test_of_two_admins_at_once_the_second_reads_again(desk: Desk) -> None:
    opened = await desk.open()
    answers = await asyncio.gather(
        desk.answer(opened, ComplaintState.IN_REVIEW, "Mine."),
        desk.answer(opened, ComplaintState.IN_REVIEW, "Mine too."),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers if not isinstance(answer, Complaint)] == [Outdated]
    with pytest.raises(Outdated):
        await desk.answer(opened, ComplaintState.IN_REVIEW, version=7)


async def test_the_same_key_complains_once(desk: Desk) -> None:
    key = fresh_key()
    first = await desk.complaints.open(desk.customer, key, desk.booking_id, "Once.")
    reviewed = await desk.answer(first, ComplaintState.IN_REVIEW)
    again = IdempotencyKey(key.text, key.fingerprint)
    assert await desk.complaints.open(desk.customer, again, desk.booking_id, "Once.") == first != reviewed
    assert again.replayed
    assert await desk.shop.count_of("complaints") == 1


async def test_what_people_wrote_stands_in_no_event_and_no_audit_row(desk: Desk) -> None:
    opened = await desk.open(SECRET)
    reviewed = await desk.answer(opened, ComplaintState.IN_REVIEW, SECRET)
    await desk.answer(reviewed, ComplaintState.CLOSED, SECRET)
    await desk.complaints.list_all(desk.admin, FIRST)
    async with desk.shop.database.reading() as tx:
        names = [row["name"] for row in await tx.rows(text("SELECT name FROM events WHERE name LIKE 'Complaint%' ORDER BY position"))]
        deeds = [row["action"] for row in await tx.rows(text("SELECT action FROM audit_logs WHERE entity = 'complaint' ORDER BY position"))]
        told = await tx.value(
            text(
                "SELECT count(*) FROM (SELECT body::text AS t FROM events"
                " UNION ALL SELECT coalesce(before::text, '') || coalesce(after::text, '') FROM audit_logs) AS kept"
                " WHERE t LIKE '%shouted%' OR t LIKE '%Hanan%'"
            )
        )
    assert names == ["ComplaintOpened", "ComplaintAnswered", "ComplaintAnswered"]
    assert deeds == ["complaint.opened", "complaint.answered", "complaint.answered", "complaint.viewed"]
    assert told == 0


async def test_admins_see_all_by_status_and_booking_page_by_page(desk: Desk) -> None:
    first, second = await desk.open("First."), await desk.open("Second.")
    reviewed = await desk.answer(first, ComplaintState.IN_REVIEW)
    assert (await desk.complaints.list_all(desk.admin, FIRST)).rows == [second, reviewed]
    assert (await desk.complaints.list_all(desk.admin, FIRST, status=ComplaintState.OPEN)).rows == [second]
    assert (await desk.complaints.list_all(desk.admin, FIRST, booking_id=BookingId.new())).rows == []
    page = await desk.complaints.list_all(desk.admin, PageRequest(limit=1), booking_id=desk.booking_id)
    assert page.rows == [second]
    rest = await desk.complaints.list_all(desk.admin, PageRequest(limit=1, cursor=page.next_cursor))
    assert (rest.rows, rest.next_cursor) == ([reviewed], None)


async def test_a_cursor_of_another_list_is_a_fault_of_the_request(desk: Desk) -> None:
    for foreign in (encode_cursor(str(desk.booking_id)), encode_cursor("nonsense"), encode_cursor("two", "parts"), "???"):
        with pytest.raises(Invalid):
            await desk.complaints.list_own(desk.customer, PageRequest(cursor=foreign))
