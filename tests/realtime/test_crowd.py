"""A crowd at one session: everybody hears everything, in order, soon."""

import asyncio
import statistics
import time

from tests.realtime.conftest import PATIENCE_S, Listener, Square
from tests.realtime.test_order import listener_in_room, news

CROWD = 200
LATENCY_S_MEDIAN_MAX = 0.2


async def test_two_hundred_listeners_hear_all_of_it_in_order(square: Square) -> None:
    session = await square.session(seats=10)
    crowd = [Listener() for _ in range(CROWD)]
    for start in range(0, CROWD, 20):
        await asyncio.gather(*(listener.connect(square.url) for listener in crowd[start : start + 20]))
    await asyncio.gather(*(listener.join(f"session:{session.id}") for listener in crowd))
    customers = [await square.shop.person() for _ in range(10)]
    held = await asyncio.gather(*(square.shop.hold(customer, session) for customer in customers))
    for booking in held:
        await square.shop.arrive(booking)
    async with asyncio.timeout(3 * PATIENCE_S):
        for listener in crowd:
            await listener.until(lambda heard: len(heard) == 10 + 2 * 10 + 2)
    first = crowd[0].heard
    assert [heard.at for heard in first] == sorted(heard.at for heard in first)
    assert {heard.body["availableSeats"] for heard in first if heard.name == "seat.booked"} == {0}
    assert all(listener.heard == first for listener in crowd)
    await asyncio.gather(*(listener.close() for listener in crowd))


async def test_what_was_committed_is_heard_within_a_blink(square: Square) -> None:
    listeners = [await listener_in_room(square) for _ in range(10)]
    took = []
    for number in range(1, 21):
        await square.publish(news(number))
        committed = time.monotonic()
        for listener in listeners:
            await listener.until_number(number)
            took.append(time.monotonic() - committed)
    assert statistics.median(took) < LATENCY_S_MEDIAN_MAX, sorted(took)
