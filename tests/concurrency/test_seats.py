"""Races for seats. Each proves that it can be lost: without its guard, what must not happen does."""

import functools

import pytest
from tests.bookings.test_life import HOLD_LIFETIME
from tests.concurrency.conftest import TwoCounters
from tests.concurrency.together import together
from tests.races import guarded_and, race
from tests.shop import MoveTime, fresh_key

from holdfast.bookings.models import HeldBooking
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, Role
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.payable import Settled, TooLate
from holdfast.sessions.errors import SessionClosedAlready, SoldOut


@guarded_and("inventory.without_pool_lock")
@pytest.mark.parametrize(("buyers", "seats"), [(64, 1), (1000, 14)])
async def test_no_seat_is_sold_twice(counters: TwoCounters, owner_url: str, guard: str | None, buyers: int, seats: int) -> None:
    people = [await counters.one.person() for _ in range(64)]

    async def once() -> str:
        session = await counters.one.session(seats=seats)
        answers = await together(
            [functools.partial((counters.one, counters.two)[n % 2].hold, people[n % len(people)], session) for n in range(buyers)]
        )
        held = sum(isinstance(answer, HeldBooking) for answer in answers)
        others = [answer for answer in answers if not isinstance(answer, HeldBooking | SoldOut)]
        if guard is None:
            assert (held, others) == (seats, [])
            await counters.one.assert_counted()
        return f"{held} of {seats} seats are sold" if held > seats else ""

    await race(once, guard, owner_url)


@guarded_and("idempotency.without_keys")
async def test_one_key_fifty_times_is_one_hold(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    session, person = await counters.one.session(), await counters.one.person()

    async def once() -> str:
        key = fresh_key()
        answers = await together(
            [
                functools.partial((counters.one, counters.two)[n % 2].hold, person, session, 1, IdempotencyKey(key.text, key.fingerprint))
                for n in range(50)
            ]
        )
        bookings = {answer.id for answer in answers if isinstance(answer, HeldBooking)}
        if guard is None:
            assert all(isinstance(answer, HeldBooking) for answer in answers), answers
            assert await counters.one.count_of("bookings") == 1
        return f"{len(bookings)} bookings of one key" if len(bookings) > 1 else ""

    await race(once, guard, owner_url)


@guarded_and("inventory.without_returning")
async def test_a_lapsed_hold_is_given_back_once(counters: TwoCounters, owner_url: str, move_time: MoveTime, guard: str | None) -> None:
    """Buyers claim seats of lapsed holds while two workers give the same ones back."""
    people = [await counters.one.person() for _ in range(40)]

    async def once() -> object:
        session = await counters.one.session(seats=14)
        for person in people[:14]:
            await counters.one.hold(person, session)
        move_time(HOLD_LIFETIME)
        await together(
            [
                *(counter.bookings.expiry.expire_some for counter in (counters.one, counters.two) for _ in range(4)),
                *(functools.partial((counters.one, counters.two)[n % 2].hold, person, session) for n, person in enumerate(people)),
            ]
        )
        if guard is None:
            assert await counters.one.count_of("holds") == 14
        return await counters.one.miscounted()

    await race(once, guard, owner_url)


@guarded_and("inventory.without_closed_check")
async def test_nobody_boards_a_microbus_that_left(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    """Holds race with the driver closing: after it, none is granted."""
    people = [await counters.one.person() for _ in range(16)]

    async def once() -> list[HeldBooking]:
        session = await counters.one.session(seats=60)
        driver = Actor(session.driver_id, Role.DRIVER)
        answers = await together(
            [
                functools.partial(counters.one.sessions.service.close, driver, None, session.id),
                *(functools.partial((counters.one, counters.two)[n % 2].hold, person, session) for n, person in enumerate(people)),
            ]
        )
        assert not isinstance(answers[0], BaseException)
        assert guard is not None or all(isinstance(a, HeldBooking | SessionClosedAlready) for a in answers[1:])
        left_at = (await counters.one.look(session.id)).ended_at
        assert left_at
        return [answer for answer in answers if isinstance(answer, HeldBooking) and answer.expires_at > left_at + HOLD_LIFETIME]

    await race(once, guard, owner_url, rounds=8)


@guarded_and("inventory.without_hold_lock")
async def test_release_against_payment(counters: TwoCounters, owner_url: str, guard: str | None) -> None:
    """Money arrives while the customer gives the seat back: one of the two has its way, and the counters agree."""

    async def once() -> object:
        session, person = await counters.one.session(seats=1), await counters.one.person()
        held = await counters.one.hold(person, session)
        paid, released = await together(
            [
                functools.partial(counters.one.arrive, held),
                functools.partial(counters.two.bookings.service.release, person, None, held.id),
            ]
        )
        status = (await counters.one.booking(held.id)).status
        match paid, isinstance(released, BaseException), status:
            case (Settled(), True, BookingState.CONFIRMED) | (TooLate(), False, BookingState.CANCELLED):
                return await counters.one.miscounted() if guard is None else ""
        return f"paid: {paid}, released: {released}, and the booking is {status}"

    await race(once, guard, owner_url, rounds=12)


@guarded_and("inventory.without_lines_on_confirm")
async def test_payment_against_expiry(counters: TwoCounters, owner_url: str, move_time: MoveTime, guard: str | None) -> None:
    """A deadline passes while money arrives, and somebody else is waiting for the seat: it goes to one of them."""

    async def once() -> object:
        session = await counters.one.session(seats=1)
        held = await counters.one.hold(await counters.one.person(), session)
        move_time(HOLD_LIFETIME)
        _, bought, paid = await together(
            [
                counters.two.bookings.expiry.expire_some,
                functools.partial(counters.two.hold, await counters.one.person(), session),
                functools.partial(counters.one.arrive, held),
            ]
        )
        if isinstance(paid, Settled) and isinstance(bought, HeldBooking):
            return "one seat is sold to two"
        return await counters.one.miscounted() if guard is None else ""

    await race(once, guard, owner_url, rounds=8)
