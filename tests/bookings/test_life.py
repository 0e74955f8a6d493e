"""The life of a booking, one move after another."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from tests.shop import FARE, FEE, FIRST_PAGE, MoveTime, Shop, fresh_key

from holdfast.bookings.errors import (
    BookingCancelledAlready,
    BookingConfirmedAlready,
    BookingUnknown,
    HoldExpired,
    TooManyLiveHolds,
    TooManyUnpaidHolds,
)
from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import egp
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother
from holdfast.inventory import HoldId
from holdfast.payments.models import PaymentId
from holdfast.payments.payable import Arrived, Due, HoldLapsedMeanwhile, Mismatch, Settled, TooLate
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionUnknown, SoldOut
from holdfast.sessions.models import Session, SessionId
from holdfast.sessions.states import SessionState

HOLD_LIFETIME = timedelta(minutes=5)


def driver_of(session: Session) -> Actor:
    return Actor(session.driver_id, Role.DRIVER)


async def test_a_hold_takes_seats_and_says_what_they_cost(shop: Shop) -> None:
    session = await shop.session(seats=14)
    held = await shop.hold(await shop.person(), session, seats=2)
    assert (held.fare, held.service_fee, held.available) == (egp(20), egp(1), 12)
    assert (await shop.look(session.id)).available_seats == 12


async def test_the_same_key_gives_the_same_answer_and_one_hold(shop: Shop) -> None:
    session, person, key = await shop.session(), await shop.person(), fresh_key()
    first = await shop.hold(person, session, key=key)
    again = IdempotencyKey(key.text, key.fingerprint)
    assert await shop.hold(person, session, key=again) == first
    assert again.replayed
    assert await shop.count_of("bookings") == 1


async def test_a_key_used_for_another_request_is_refused(shop: Shop) -> None:
    session, person = await shop.session(), await shop.person()
    await shop.hold(person, session, key=IdempotencyKey("key", b"one body"))
    with pytest.raises(KeyUsedForAnother):
        await shop.hold(person, session, key=IdempotencyKey("key", b"another body"))


async def test_a_refusal_changes_nothing_and_is_judged_anew_with_the_same_key(shop: Shop) -> None:
    session, key, person = await shop.session(seats=1), fresh_key(), await shop.person()
    first = await shop.hold(await shop.person(), session)
    with pytest.raises(SoldOut) as refused:
        await shop.hold(person, session, seats=2, key=key)
    assert refused.value.facts["available"] == 0
    assert refused.value.facts["may_free_up_at"] == first.expires_at
    assert await shop.count_of("idempotency_keys") == 1


async def test_more_than_is_left_is_refused_and_what_is_left_is_said(shop: Shop) -> None:
    session = await shop.session(seats=3)
    await shop.hold(await shop.person(), session, seats=2)
    with pytest.raises(SoldOut) as refused:
        await shop.hold(await shop.person(), session, seats=2)
    assert refused.value.facts["available"] == 1


async def test_a_person_has_at_most_three_live_holds(shop: Shop, move_time: MoveTime) -> None:
    person = await shop.person()
    for _ in range(3):
        await shop.hold(person, await shop.session())
    with pytest.raises(TooManyLiveHolds):
        await shop.hold(person, await shop.session())
    move_time(HOLD_LIFETIME)
    await shop.hold(person, await shop.session())


async def test_holding_and_letting_go_again_and_again_ends(shop: Shop, move_time: MoveTime) -> None:
    session, other, person = await shop.session(), await shop.session(), await shop.person()
    for n in range(5):
        held = await shop.hold(person, session)
        if n % 2:
            await shop.bookings.service.release(person, None, held.id)
        else:
            move_time(HOLD_LIFETIME)
            await shop.bookings.expiry.expire_some()
    with pytest.raises(TooManyUnpaidHolds) as refused:
        await shop.hold(person, session)
    assert refused.value.facts["count"] == 5
    # Only this person and this session are meant.
    await shop.hold(await shop.person(), session)
    assert isinstance(await shop.arrive(await shop.hold(person, other)), Settled)
    move_time(timedelta(minutes=61) - 3 * HOLD_LIFETIME)
    await shop.hold(person, session)


async def test_what_was_paid_or_called_off_is_not_held_against_anybody(shop: Shop) -> None:
    person = await shop.person()
    session = await shop.session()
    for _ in range(6):
        held = await shop.hold(person, session)
        await shop.arrive(held)
        await shop.bookings.service.cancel(person, None, held.id)
    await shop.hold(person, session)


async def test_an_unknown_session_is_said_to_be_unknown(shop: Shop) -> None:
    session = await shop.session()
    unknown = type(session)(**{name: getattr(session, name) for name in session.__struct_fields__} | {"id": SessionId.new()})
    with pytest.raises(SessionUnknown):
        await shop.hold(await shop.person(), unknown)


async def test_released_seats_are_free_again_and_the_booking_is_cancelled(shop: Shop) -> None:
    session, person = await shop.session(seats=1), await shop.person()
    held = await shop.hold(person, session)
    released = await shop.bookings.service.release(person, None, held.id)
    assert (released.status, released.end_reason) == (BookingState.CANCELLED, EndReason.RELEASED_BY_CUSTOMER)
    assert (await shop.look(session.id)).available_seats == 1
    with pytest.raises(BookingCancelledAlready):
        await shop.bookings.service.release(person, None, held.id)


async def test_others_bookings_do_not_exist(shop: Shop) -> None:
    held = await shop.hold(await shop.person(), await shop.session())
    stranger = await shop.person()
    for act in (shop.bookings.service.release, shop.bookings.service.cancel):
        with pytest.raises(BookingUnknown):
            await act(stranger, None, held.id)
    with pytest.raises(BookingUnknown):
        await shop.bookings.service.get(stranger, held.id)


async def test_money_in_time_confirms_and_fills_the_session(shop: Shop) -> None:
    session = await shop.session(seats=2)
    held = await shop.hold(await shop.person(), session, seats=2)
    assert isinstance(await shop.arrive(held), Settled)
    assert (await shop.booking(held.id)).status is BookingState.CONFIRMED
    assert (await shop.look(session.id)).status is SessionState.FULL
    assert isinstance(await shop.arrive(held), TooLate)
    await shop.assert_counted()


async def test_another_amount_than_was_due_goes_back(shop: Shop) -> None:
    held = await shop.hold(await shop.person(), await shop.session())
    assert isinstance(await shop.arrive(held, amount=FARE + FEE - 1), Mismatch)
    assert (await shop.booking(held.id)).status is BookingState.PENDING


async def test_late_money_takes_its_seats_again_if_they_are_free(shop: Shop, move_time: MoveTime) -> None:
    held = await shop.hold(await shop.person(), await shop.session(seats=1))
    move_time(HOLD_LIFETIME)
    assert await shop.bookings.expiry.expire_some() == 1
    assert (await shop.booking(held.id)).status is BookingState.EXPIRED
    assert isinstance(await shop.arrive(held), Settled)
    confirmed = await shop.booking(held.id)
    assert (confirmed.status, confirmed.end_reason) == (BookingState.CONFIRMED, None)
    await shop.assert_counted()


async def test_late_money_for_a_hold_that_nobody_gave_back_yet(shop: Shop, move_time: MoveTime) -> None:
    held = await shop.hold(await shop.person(), await shop.session(seats=1))
    move_time(HOLD_LIFETIME)
    assert isinstance(await shop.arrive(held), Settled)
    await shop.assert_counted()


async def test_late_money_whose_seats_are_gone_goes_back(shop: Shop, move_time: MoveTime) -> None:
    session = await shop.session(seats=1)
    held = await shop.hold(await shop.person(), session)
    move_time(HOLD_LIFETIME)
    await shop.hold(await shop.person(), session)
    assert isinstance(await shop.arrive(held), TooLate)
    assert (await shop.booking(held.id)).status is BookingState.EXPIRED
    await shop.assert_counted()


async def test_the_deadline_is_moved_once_and_to_twice_the_lifetime(shop: Shop, move_time: MoveTime) -> None:
    held = await shop.hold(await shop.person(), await shop.session())
    for _ in range(2):
        async with shop.database.transaction() as tx:
            locked = await shop.bookings.payable.lock(tx, [held.id], settling=False)
            due = (await locked.amounts_due(tx))[held.id]
            await locked.begun(tx)
        assert isinstance(due, Due)
        assert (await shop.booking(held.id)).expires_at == held.expires_at + HOLD_LIFETIME
    move_time(2 * HOLD_LIFETIME)
    async with shop.database.transaction() as tx:
        locked = await shop.bookings.payable.lock(tx, [held.id], settling=False)
        assert isinstance((await locked.amounts_due(tx))[held.id], HoldExpired)


async def test_a_hold_that_lapses_while_its_row_is_waited_for_cannot_be_paid(shop: Shop, move_time: MoveTime) -> None:
    """Extended by an earlier attempt, so nothing but this answer stands between the payer and a charge for nothing."""
    held = await shop.hold(await shop.person(), await shop.session())
    async with shop.database.transaction() as tx:
        await (await shop.bookings.payable.lock(tx, [held.id], settling=False)).begun(tx)

    async def ask() -> Due | Refusal:
        async with shop.database.transaction() as tx:
            locked = await shop.bookings.payable.lock(tx, [held.id], settling=False)
            return (await locked.amounts_due(tx))[held.id]

    async with shop.database.transaction() as tx:
        await shop.inventory.lock_holds(tx, [HoldId.of(held.id)])
        asked = asyncio.create_task(ask())
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()")
        async with shop.database.reading() as looking:
            while not await looking.value(waiting):
                await asyncio.sleep(0.01)
        move_time(2 * HOLD_LIFETIME)
    assert isinstance(await asked, HoldExpired)


async def test_what_cannot_be_paid_for_says_why(shop: Shop) -> None:
    session, person = await shop.session(), await shop.person()
    paid, released, left = [await shop.hold(person, session) for _ in range(3)]
    await shop.arrive(paid)
    await shop.bookings.service.release(person, None, released.id)
    await shop.sessions.service.close(driver_of(session), None, session.id)
    async with shop.database.transaction() as tx:
        locked = await shop.bookings.payable.lock(tx, [paid.id, released.id, left.id], settling=False)
        due = await locked.amounts_due(tx)
    assert isinstance(due[paid.id], BookingConfirmedAlready)
    assert isinstance(due[released.id], BookingCancelledAlready)
    assert isinstance(due[left.id], SessionClosedAlready)


async def test_cancelling_gives_seats_back_and_reopens_a_full_session(shop: Shop) -> None:
    session, person = await shop.session(seats=1), await shop.person()
    held = await shop.hold(person, session)
    await shop.arrive(held)
    cancelled = await shop.bookings.service.cancel(person, None, held.id)
    assert cancelled.refund == egp(10)
    seen = await shop.look(session.id)
    assert (seen.status, seen.available_seats) == (SessionState.ACTIVE, 1)
    with pytest.raises(BookingCancelledAlready):
        await shop.bookings.service.cancel(person, None, held.id)


async def test_after_departure_nothing_goes_back(shop: Shop) -> None:
    session, person = await shop.session(), await shop.person()
    held = await shop.hold(person, session)
    await shop.arrive(held)
    await shop.sessions.service.close(driver_of(session), None, session.id)
    assert (await shop.bookings.service.cancel(person, None, held.id)).refund == egp(0)


async def test_closing_gives_unpaid_holds_back_and_keeps_paid_ones(shop: Shop) -> None:
    session = await shop.session()
    unpaid, paid = await shop.hold(await shop.person(), session), await shop.hold(await shop.person(), session)
    await shop.arrive(paid)
    await shop.sessions.service.close(driver_of(session), None, session.id)
    with pytest.raises(SessionClosedAlready):
        await shop.hold(await shop.person(), session)
    assert isinstance(await shop.arrive(unpaid), TooLate)
    await shop.follow()
    expired = await shop.booking(unpaid.id)
    assert (expired.status, expired.end_reason) == (BookingState.EXPIRED, EndReason.SALES_CLOSED)
    assert (await shop.booking(paid.id)).status is BookingState.CONFIRMED
    assert isinstance(await shop.arrive(unpaid), TooLate)
    await shop.assert_counted()


async def test_calling_off_cancels_every_booking_in_batches_and_can_be_repeated(shop: Shop) -> None:
    session = await shop.session(seats=60)
    held = [await shop.hold(await shop.person(), session) for _ in range(60)]
    for booking in held[::2]:
        await shop.arrive(booking)
    await shop.sessions.service.cancel(driver_of(session), None, session.id, "engine")
    with pytest.raises(SessionCancelledAlready):
        await shop.hold(await shop.person(), session)
    await shop.follow()
    await shop.follow()
    for booking in held:
        seen = await shop.booking(booking.id)
        assert (seen.status, seen.end_reason) == (BookingState.CANCELLED, EndReason.CALLED_OFF)
    assert await shop.count_of("hold_lines") == await shop.count_of("sold_lines") == 0
    await shop.assert_counted()


async def test_history_shows_ones_own_newest_first_in_pages(shop: Shop) -> None:
    person, session = await shop.person(), await shop.session()
    held = [await shop.hold(person, session) for _ in range(3)]
    await shop.hold(await shop.person(), session)
    page = await shop.bookings.service.history(person, None, FIRST_PAGE)
    assert [booking.id for booking in page.rows] == [booking.id for booking in reversed(held)]


async def test_a_hold_that_lapses_after_its_pools_were_locked_is_settled_anew_as_late_money(shop: Shop, move_time: MoveTime) -> None:
    held = await shop.hold(await shop.person(), await shop.session(seats=1))
    payment = Arrived(PaymentId.new(), held.id, UserId.new(), held.fare + held.service_fee)

    async def settle() -> None:
        async with shop.database.transaction() as tx:
            locked = await shop.bookings.payable.lock(tx, [held.id], settling=True)
            move_time(HOLD_LIFETIME)
            await locked.captured(tx, [payment])

    with pytest.raises(HoldLapsedMeanwhile):
        await settle()
    assert isinstance(await shop.arrive(held), Settled)
    await shop.assert_counted()
