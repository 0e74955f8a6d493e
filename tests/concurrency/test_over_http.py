"""The same races through the front door: a real web server, real sign-ins, real worker, real gateway."""

import asyncio
import functools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis.asyncio as redis_module
from tests.concurrency.together import together
from tests.races import guarded_and, race
from tests.world import Answer, Person, World, open_world


@pytest.fixture
async def world(database_url: str, redis_url: str, redis: redis_module.Redis, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, redis_url, tmp_path, HOLDFAST_LIVE_HOLDS_MAX="100") as opened:
        yield opened


async def crowd(world: World, size: int) -> list[Person]:
    """People who signed in, eight at a time: it is the seats that they are to fight for."""
    door = asyncio.Semaphore(8)

    async def enter() -> Person:
        async with door:
            return await world.person()

    return list(await asyncio.gather(*(enter() for _ in range(size))))


def statuses(answers: list[object]) -> list[int]:
    assert all(isinstance(answer, Answer) for answer in answers), [answer for answer in answers if not isinstance(answer, Answer)]
    return [answer.status for answer in answers if isinstance(answer, Answer)]


@guarded_and("inventory.without_pool_lock")
@pytest.mark.parametrize(("buyers", "seats"), [(64, 1), (1000, 14)])
async def test_no_seat_is_sold_twice(world: World, owner_url: str, guard: str | None, buyers: int, seats: int) -> None:
    people = await crowd(world, 64)

    async def once() -> str:
        _, session_id = await world.session(seats=seats)
        found = statuses(await together([functools.partial(people[n % len(people)].hold, session_id) for n in range(buyers)]))
        if guard is None:
            assert set(found) <= {201, 409}
            assert found.count(201) == seats
            await world.shop.assert_counted()
        return f"{found.count(201)} of {seats} seats are sold" if found.count(201) > seats else ""

    await race(once, guard, owner_url)


@guarded_and("idempotency.without_keys")
async def test_one_key_fifty_times_is_one_hold(world: World, owner_url: str, guard: str | None) -> None:
    _, session_id = await world.session()
    person = await world.person()

    async def once() -> str:
        key = str(uuid4())
        answers = await together([functools.partial(person.hold, session_id, key=key)] * 50)
        held = {answer.body["bookingId"] for answer in answers if isinstance(answer, Answer) and answer.status == 201}
        if guard is None:
            assert statuses(answers) == [201] * 50
            assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers if isinstance(answer, Answer)) == 49
        return f"{len(held)} bookings of one key" if len(held) > 1 else ""

    await race(once, guard, owner_url)


@guarded_and("inventory.without_closed_check")
async def test_nobody_boards_a_microbus_that_left(world: World, owner_url: str, guard: str | None) -> None:
    """Holds race with the driver closing: whoever asks after the answer to it is refused."""
    people = await crowd(world, 24)

    async def once() -> list[Answer]:
        driver, session_id = await world.session(seats=60)
        closed = asyncio.create_task(driver.post(f"/sessions/{session_id}/close"))
        answers = await together([functools.partial(person.hold, session_id) for person in people])
        assert (await closed).status == 200
        left_at = (await world.ask("GET", f"/sessions/{session_id}")).body["endedAt"]
        return [
            answer
            for answer in answers
            if isinstance(answer, Answer) and answer.status == 201 and _began(answer, world.program.settings.hold_seconds) > left_at
        ]

    await race(once, guard, owner_url, rounds=6)


def _began(answer: Answer, hold_seconds: int) -> str:
    """When a hold was made: its deadline less its lifetime, as the server writes instants."""
    began = datetime.fromisoformat(answer.body["expiresAt"]) - timedelta(seconds=hold_seconds)
    return began.isoformat().replace("+00:00", "Z")


async def test_paying_cancelling_and_closing_at_once_leave_nothing_half_done(world: World) -> None:
    """Money against the driver leaving, against the customer giving up, and against itself: the books agree with the seats."""
    outcomes: set[tuple[int, ...]] = set()
    for round_ in range(9):
        driver, session_id = await world.session(seats=1)
        person = await world.person()
        held = await person.hold(session_id)
        hold_id, booking_id = held.body["holdId"], held.body["bookingId"]
        rival = (
            functools.partial(driver.post, f"/sessions/{session_id}/close"),
            functools.partial(person.post, f"/bookings/{booking_id}/cancel"),
            functools.partial(person.pay, hold_id),
        )[round_ % 3]
        answers = await together([functools.partial(person.pay, hold_id), rival])
        outcomes.add((round_ % 3, *statuses(answers)))
    assert not any(status >= 500 for outcome in outcomes for status in outcome), outcomes

    await world.assert_all_is_well()
