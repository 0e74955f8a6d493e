"""Sockets of the whole program: real sign-ins, real money, without Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.realtime.conftest import Listener
from tests.world import Person, World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, "", tmp_path) as opened:
        yield opened


async def listening(world: World, person: Person | None, *rooms: str) -> Listener:
    listener = Listener()
    await listener.connect(world.base_url, None if person is None else person.token)
    await listener.join(*rooms)
    return listener


async def test_a_seat_is_sold_before_everybodys_eyes(world: World) -> None:
    passenger = await world.person()
    driver, session_id = await world.session(seats=1)
    watcher = await listening(world, None, f"session:{session_id}")
    own = await listening(world, passenger, f"user:{passenger.user_id}")
    earning = await listening(world, driver, f"driver:{driver.user_id}")

    held = await passenger.hold(session_id)
    await passenger.pay(held.body["holdId"])
    await watcher.until(lambda heard: {"session.updated", "seat.booked", "session.full"} <= {each.name for each in heard})
    await own.until(lambda heard: {"payment.success", "booking.confirmed", "notification.created"} <= {each.name for each in heard})
    await earning.until(lambda heard: {"payment.success", "booking.confirmed", "seat.booked"} <= {each.name for each in heard})
    assert own.body("payment.success")["amount"] == 11.0
    assert passenger.user_id not in str(watcher.heard) + str(earning.heard)

    await passenger.post(f"/bookings/{held.body['bookingId']}/cancel")
    await watcher.until(lambda heard: "seat.released" in {each.name for each in heard})
    await driver.post(f"/sessions/{session_id}/close")
    await watcher.until(lambda heard: "session.closed" in {each.name for each in heard})
    await asyncio.gather(watcher.close(), own.close(), earning.close())


async def test_who_signs_out_hears_nothing_private_any_more(world: World) -> None:
    person = await world.person()
    own = await listening(world, person, f"user:{person.user_id}")
    await person.post("/auth/logout", {})
    await own.until_names("signin.ended")
    assert (await own.ask("join", room=f"user:{person.user_id}"))["code"] == "room_not_yours"
    await own.close()
