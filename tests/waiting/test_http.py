"""The line as people meet it: over HTTP and sockets, on the real program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis_module
from tests.realtime.conftest import Listener
from tests.world import Answer, Person, World, open_world


@pytest.fixture(params=[True, False], ids=["with a worker", "the worker is stopped"])
async def world(
    request: pytest.FixtureRequest, database_url: str, redis_url: str, redis: redis_module.Redis, tmp_path: Path
) -> AsyncIterator[World]:
    async with open_world(database_url, redis_url, tmp_path, worker=request.param) as opened:
        yield opened


@asynccontextmanager
async def listening(world: World, person: Person, *rooms: str) -> AsyncIterator[Listener]:
    listener = Listener()
    await listener.connect(world.base_url, person.token)
    try:
        await listener.join(*rooms)
        yield listener
    finally:
        await listener.close()


async def until_admitted(world: World, person: Person, session_id: str) -> Answer:
    found: list[Answer] = []

    async def is_admitted() -> bool:
        found.append(await person.get(f"/sessions/{session_id}/waiting-room"))
        return bool(found[-1].body["state"] == "ADMITTED")

    await world.until(is_admitted)
    return found[-1]


async def test_from_the_end_of_the_line_to_a_seat(world: World) -> None:
    driver, session_id = await world.session(seats=2)
    path = f"/sessions/{session_id}/waiting-room"
    first, second, third = [await world.person() for _ in range(3)]

    assert (await first.post(f"{path}/join")).body["code"] == "no_waiting_room"
    opened = await driver.ask("PUT", path, {"perSecond": 50, "insideMax": 1})
    assert (opened.status, opened.body) == (
        200,
        {"sessionId": session_id, "state": "OPEN", "perSecond": 50.0, "insideMax": 1, "admittedUpTo": 0, "waiting": 0},
    )
    refused = await first.hold(session_id)
    assert (refused.status, refused.body["code"], refused.body["join"]) == (409, "waiting_room", f"{path}/join")

    async with (
        listening(world, second, f"user:{second.user_id}") as seconds,
        listening(world, third, f"waiting:{session_id}", f"user:{third.user_id}") as thirds,
    ):
        for number, person in enumerate((first, second, third), start=1):
            joined = await person.post(f"{path}/join")
            assert (joined.status, joined.body["number"], joined.body["state"]) == (200, number, "WAITING")
        last = joined.body
        assert (await third.get(f"{path}?ticket={last['ticket']}")).body["ahead"] == 2 - (await third.get(path)).body["admittedUpTo"]

        turn = await until_admitted(world, first, session_id)
        assert turn.body["admittedUntil"]
        assert (await second.hold(session_id)).body["code"] == "waiting_room"
        held = await first.hold(session_id)
        assert held.status == 201, held
        assert (await first.get(path)).body["state"] == "USED"

        await seconds.until(lambda heard: "waiting.admitted" in [each.name for each in heard])
        assert seconds.body("waiting.admitted")["sessionId"] == session_id
        assert (await second.hold(session_id)).status == 201
        # Both seats are held: who is left is told so, and told again when one comes back.
        await thirds.until(lambda heard: any(each.name == "waiting.moved" and each.body["state"] == "SOLD_OUT" for each in heard))
        assert (await third.get(path)).body["roomState"] == "SOLD_OUT"
        assert (await first.post(f"/bookings/{held.body['bookingId']}/release")).status == 200
        await thirds.until(lambda heard: "waiting.admitted" in [each.name for each in heard])
        moved = [each.body for each in thirds.heard if each.name == "waiting.moved"]
        assert [each["version"] for each in moved] == sorted({each["version"] for each in moved})
        assert (moved[-1]["admittedUpTo"], moved[-1]["waiting"]) == (3, 0)
        assert (await third.hold(session_id)).status == 201
    await world.assert_all_is_well()


async def test_people_wait_in_the_line_of_somebody_else_only_where_he_says_so(world: World) -> None:
    driver, session_id = await world.session()
    path = f"/sessions/{session_id}/waiting-room"
    other_driver, passenger, admin = await world.driver(), await world.person(), await world.admin()
    assert (await passenger.ask("PUT", path, {})).status == 403
    assert (await other_driver.ask("PUT", path, {})).body["code"] == "session_unknown"
    assert (await driver.ask("PUT", path, {"isOpen": False})).body["code"] == "no_waiting_room"
    assert (await driver.ask("PUT", path, {"perSecond": 0})).status == 422
    assert (await admin.ask("PUT", path, {})).body["perSecond"] == 100.0
    assert (await admin.ask("PUT", path, {"isOpen": False})).body["state"] == "OFF"
    assert (await passenger.hold(session_id)).status == 201
    assert (await world.ask("POST", f"{path}/join")).status == 401


async def test_the_line_is_the_same_after_a_restart(database_url: str, redis_url: str, redis: redis_module.Redis, tmp_path: Path) -> None:
    places: list[str] = []
    async with open_world(database_url, redis_url, tmp_path) as world:
        driver, session_id = await world.session(seats=5)
        path = f"/sessions/{session_id}/waiting-room"
        await driver.ask("PUT", path, {"perSecond": 0.01, "insideMax": 1})
        phones = []
        for _ in range(3):
            person = await world.person()
            phones.append(person.phone)
            places.append((await person.post(f"{path}/join")).body["ticket"])
    async with open_world(database_url, redis_url, tmp_path) as world:
        people = [await world.person(phone) for phone in phones]
        for number, (person, ticket) in enumerate(zip(people, places, strict=True), start=1):
            place = (await person.get(f"{path}?ticket={ticket}")).body
            assert (place["number"], place["ticket"]) == (number, ticket)
            assert (await person.post(f"{path}/join")).body["number"] == number
        driver = await world.person(driver.phone)
        await driver.ask("PUT", path, {"perSecond": 10})
        await until_admitted(world, people[0], session_id)
        assert (await people[0].hold(session_id)).status == 201
        await until_admitted(world, people[1], session_id)
