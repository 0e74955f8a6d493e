"""Races for seats. Each first proves that it can fail: without its guard, what must not happen does."""

import functools

import pytest
from tests.bookings.test_life import HOLD_LIFETIME
from tests.concurrency.conftest import TwoCounters
from tests.concurrency.together import together
from tests.controls import without
from tests.shop import MoveTime, fresh_key

from holdfast.bookings.models import HeldBooking
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.payable import Settled, TooLate
from holdfast.sessions.errors import SessionClosedAlready, SoldOut


def races(guard: str) -> pytest.MarkDecorator:
    """Run a test with its guard, and once more without it."""
    return pytest.mark.parametrize("guard", [None, guard], ids=["guarded", "control"])


@races("inventory.without_pool_lock")
@pytest.mark.parametrize(("buyers", "seats"), [(64, 1), (1000, 14)])
async def test_no_seat_is_sold_twice(counters: TwoCounters, owner_url: str, guard: str | None, buyers: int, seats: int) -> None:
    people = [await counters.one.person() for _ in range(64)]
    most = 0
    async with without(guard, owner_url):
        for _ in range(1 if guard is None else 20):
            session = await counters.one.session(seats=seats)
            answers = await together(
                [functools.partial((counters.one, counters.two)[n % 2].hold, people[n % len(people)], session) for n in range(buyers)]
            )
            most = max(most, sum(isinstance(answer, HeldBooking) for answer in answers))
            others = [answer for answer in answers if not isinstance(answer, HeldBooking | SoldOut)]
            assert guard is not None or not others, others
            if most > seats:
                break
    if guard is None:
        assert most == seats
        await counters.one.assert_counted()
    else:
        assert most > seats


@races("idempotency.without_keys")
async def test_one_key_fifty_times_is_one_hold(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    session, person, key = await counters.one.session(), await counters.one.person(), fresh_key()
    async with without(guard, owner_url):
        answers = await together(
            [
                functools.partial((counters.one, counters.two)[n % 2].hold, person, session, 1, IdempotencyKey(key.text, key.fingerprint))
                for n in range(50)
            ]
        )
    bookings = {answer.id for answer in answers if isinstance(answer, HeldBooking)}
    if guard is None:
        assert len(bookings) == 1
        assert all(isinstance(answer, HeldBooking) for answer in answers)
        assert await counters.one.count_of("bookings") == 1
    else:
        assert len(bookings) > 1


@races("inventory.without_returning")
async def test_a_lapsed_hold_is_given_back_once(counters: TwoCounters, owner_url: str, move_time: MoveTime, guard: str | None) -> None:
    """Buyers claim seats of lapsed holds while two workers give the same ones back."""
    session = await counters.one.session(seats=14)
    for _ in range(14):
        await counters.one.hold(await counters.one.person(), session)
    move_time(HOLD_LIFETIME)
    people = [await counters.one.person() for _ in range(40)]
    async with without(guard, owner_url):
        await together(
            [
                *(counter.bookings.expiry.expire_some for counter in (counters.one, counters.two) for _ in range(4)),
                *(functools.partial((counters.one, counters.two)[n % 2].hold, person, session) for n, person in enumerate(people)),
            ]
        )
    if guard is None:
        await counters.one.assert_counted()
        assert await counters.one.count_of("holds") == 14
    else:
        with pytest.raises(AssertionError):
            await counters.one.assert_counted()


@races("inventory.without_closed_check")
async def test_nobody_boards_a_microbus_that_left(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    """Holds race with the driver closing: after it, none is granted."""
    granted_after = 0
    async with without(guard, owner_url):
        for _ in range(8):
            session = await counters.one.session(seats=60)
            people = [await counters.one.person() for _ in range(16)]
            driver = Actor(session.driver_id, Role.DRIVER)
            answers = await together(
                [
                    functools.partial(counters.one.sessions.service.close, driver, None, session.id),
                    *(functools.partial((counters.one, counters.two)[n % 2].hold, person, session) for n, person in enumerate(people)),
                ]
            )
            assert not isinstance(answers[0], BaseException)
            assert guard is not None or all(isinstance(a, HeldBooking | SessionClosedAlready) for a in answers[1:])
            closed = await counters.one.look(session.id)
            late = [
                a for a in answers[1:] if isinstance(a, HeldBooking) and closed.ended_at and a.expires_at > closed.ended_at + HOLD_LIFETIME
            ]
            granted_after += len(late)
    assert granted_after == 0 if guard is None else granted_after > 0


@races("inventory.without_hold_lock")
async def test_release_against_payment(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    """Money arrives while the customer gives the seat back: one of the two has its way, and the counters agree."""
    torn = 0
    async with without(guard, owner_url):
        for _ in range(12):
            session, person = await counters.one.session(seats=1), await counters.one.person()
            held = await counters.one.hold(person, session)
            paid, released = await together(
                [
                    functools.partial(counters.one.arrive, held),
                    functools.partial(counters.two.bookings.service.release, person, None, held.id),
                ]
            )
            booking = await counters.one.booking(held.id)
            confirmed, cancelled = isinstance(paid, Settled), not isinstance(released, BaseException)
            consistent = (
                (confirmed and not cancelled and booking.status is BookingState.CONFIRMED)
                or (isinstance(paid, TooLate) and cancelled and booking.status is BookingState.CANCELLED)
            )  # fmt: skip
            torn += not consistent
    if guard is None:
        assert torn == 0
        await counters.one.assert_counted()
    else:
        assert torn > 0


@races("inventory.without_lines_on_confirm")
async def test_payment_against_expiry(counters: TwoCounters, owner_url: str, move_time: MoveTime, guard: str | None) -> None:
    """A deadline passes while money arrives, and somebody else is waiting for the seat: it goes to one of them."""
    sold_twice = 0
    async with without(guard, owner_url):
        for _ in range(8):
            session = await counters.one.session(seats=1)
            held = await counters.one.hold(await counters.one.person(), session)
            move_time(HOLD_LIFETIME)
            answers = await together(
                [
                    counters.two.bookings.expiry.expire_some,
                    functools.partial(counters.two.hold, await counters.one.person(), session),
                    functools.partial(counters.one.arrive, held),
                ]
            )
            sold_twice += isinstance(answers[2], Settled) and isinstance(answers[1], HeldBooking)
    if guard is None:
        assert sold_twice == 0
        await counters.one.assert_counted()
    else:
        assert sold_twice > 0
