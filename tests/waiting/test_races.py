"""Races in a line, between two processes. Each proves that it can be lost."""

import asyncio
import functools
from collections import Counter

import pytest
from tests.concurrency.together import together
from tests.races import guarded_and, race
from tests.shop import Shop
from tests.waiting.conftest import A_MOMENT, Line

from holdfast.app.check import examine
from holdfast.bookings.models import HeldBooking
from holdfast.common.errors import Refusal
from holdfast.resources.gate import NotAdmitted


@guarded_and("waiting.without_counter_lock")
async def test_no_number_is_given_out_twice(line: Line, other_shop: Shop, owner_url: str, guard: str | None) -> None:
    await line.open()
    both = (line, line.elsewhere(other_shop))

    async def once() -> str:
        people = [await line.shop.person() for _ in range(8)]
        await together([functools.partial(both[n % 2].join, person) for n, person in enumerate(people)])
        numbers = await line.numbers()
        return "" if numbers == list(range(1, len(numbers) + 1)) else f"numbers {numbers}"

    await race(once, guard, owner_url, rounds=5)


@guarded_and("waiting.without_room_lock")
async def test_nobody_is_admitted_twice_and_no_more_than_may_be(line: Line, other_shop: Shop, owner_url: str, guard: str | None) -> None:
    both = (line, line.elsewhere(other_shop))

    async def once() -> str:
        fresh = Line(line.shop, await line.shop.session(), line.move_time)
        await fresh.open(inside_max=5)
        await fresh.people(8)
        line.move_time(A_MOMENT)
        await together([each.shop.waiting.admission.admit_due for each in both * 2])
        told = Counter(await fresh.told())
        return "" if len(told) == 5 and set(told.values()) == {1} else f"{len(told)} admitted, told {told.most_common(1)}"

    await race(once, guard, owner_url, rounds=5)


@guarded_and("waiting.without_turn_lock")
async def test_one_turn_is_one_hold_from_however_many_tabs(line: Line, other_shop: Shop, owner_url: str, guard: str | None) -> None:
    await line.open()
    both = (line, line.elsewhere(other_shop))
    for each in both:
        await each.see()

    async def once() -> str:
        (person,) = await line.people(1)
        await line.admit()
        before = await line.bookings()
        answers = await together([functools.partial(each.shop.hold, person, line.session) for each in both * 3])
        if guard is None:
            assert Counter(type(answer) for answer in answers) == {HeldBooking: 1, NotAdmitted: 5}, answers
        made = await line.bookings() - before
        return f"{made} holds of one turn" if made != 1 else ""

    await race(once, guard, owner_url, rounds=5)


@pytest.mark.parametrize("seats", [3, 40])
async def test_a_crowd_that_does_everything_at_once_leaves_the_line_in_order(
    line: Line, other_shop: Shop, database_url: str, seats: int
) -> None:
    """Sixty people join, hold, give up and come back from two processes that admit them, until nobody is left who wants anything."""
    small = Line(line.shop, await line.shop.session(seats=seats), line.move_time)
    await small.open(inside_max=6)
    both = (small, small.elsewhere(other_shop))
    people = [await line.shop.person() for _ in range(60)]

    async def act(n: int) -> None:
        here, there = both[n % 2], both[(n + 1) % 2]
        try:
            await here.join(people[n])
            await there.join(people[n])
            held = await there.shop.hold(people[n], small.session)
            if n % 3 == 0:
                await here.shop.bookings.service.release(people[n], None, held.id)
                await here.join(people[n])
        except Refusal:
            return

    for _ in range(10):
        line.move_time(A_MOMENT)
        await asyncio.gather(*(act(n) for n in range(60)), *(each.shop.waiting.admission.admit_due() for each in both * 2))
    assert (await small.moves())[-1].admitted_up_to >= seats
    await line.shop.assert_counted()
    found = await examine(database_url, test_clock=True)
    assert {finding.name: finding.rows for finding in found.findings if not finding.holds} == {}
