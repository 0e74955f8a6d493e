"""Two admins at once. Each race also runs without its guard, and must then be lost."""

import asyncio
import itertools

from sqlalchemy import text
from tests.controls import CONTROLS, Control
from tests.races import guarded_and, race
from tests.routes.city import City, Visitor

from holdfast.routes import RouteId
from holdfast.routes import repository as routes
from holdfast.stations import repository as stations

ADMINS = 8
ROUNDS = 8

CONTROLS |= {
    # Each admin judges the version that was there before the others wrote.
    "routes.without_lock": lambda: Control(edits=[(routes.SQL.lock, "FOR NO KEY UPDATE", "")]),
    "stations.without_lock": lambda: Control(edits=[(stations.SQL.lock, "FOR NO KEY UPDATE", "")]),
    # A station that is being put on a route is taken out of service meanwhile.
    "stations.without_holding_still": lambda: Control(edits=[(stations.SQL.share, "FOR SHARE", "")]),
}


@guarded_and("routes.without_lock")
async def test_of_admins_who_read_the_same_route_one_changes_it(city: City, admin: Visitor, owner_url: str, guard: str | None) -> None:
    numbers = itertools.count()

    async def once() -> str:
        number = next(numbers)
        path = f"/routes/{(await admin.route(f'A{number}', f'B{number}'))['id']}"
        answers = await asyncio.gather(*(admin.patch(path, {"baseFare": 10 + fare}, if_match='"1"') for fare in range(ADMINS)))
        assert {answer.status_code for answer in answers} <= {200, 412}
        winners = [answer for answer in answers if answer.status_code == 200]
        if guard is None:
            assert (await admin.get(path)).json()["baseFare"] == winners[0].json()["baseFare"]
        return f"{len(winners)} changed it" if len(winners) != 1 else ""

    await race(once, guard, owner_url, rounds=ROUNDS)


@guarded_and("stations.without_lock")
async def test_of_admins_who_read_the_same_station_one_changes_it(city: City, admin: Visitor, owner_url: str, guard: str | None) -> None:
    numbers = itertools.count()

    async def once() -> str:
        path = f"/stations/{(await admin.station(f'A{next(numbers)}'))['id']}"
        answers = await asyncio.gather(*(admin.patch(path, {"nameEn": f"Name {name}"}, if_match='"1"') for name in range(ADMINS)))
        assert {answer.status_code for answer in answers} <= {200, 412}
        winners = [answer for answer in answers if answer.status_code == 200]
        return f"{len(winners)} changed it" if len(winners) != 1 else ""

    await race(once, guard, owner_url, rounds=ROUNDS)


@guarded_and("stations.without_holding_still")
async def test_no_route_in_service_is_left_with_a_station_out_of_it(city: City, admin: Visitor, owner_url: str, guard: str | None) -> None:
    numbers = itertools.count()

    async def once() -> object:
        number = next(numbers)
        route = await admin.route(f"A{number}", f"B{number}")
        station = await admin.station(f"C{number}")
        wanted = {"stationIds": [route["stations"][0]["id"], station["id"]]}
        put, stopped = await asyncio.gather(
            admin.put(f"/routes/{route['id']}/stations", wanted, if_match='"1"'),
            admin.patch(f"/stations/{station['id']}", {"isActive": False}, if_match='"1"'),
        )
        assert {put.status_code, stopped.status_code} <= {200, 409}
        async with city.database.reading() as tx:
            return await tx.value(
                text(
                    "SELECT count(*) FROM routes r JOIN route_stations c ON c.route_id = r.id JOIN stations s ON s.id = c.station_id"
                    " WHERE r.is_active AND NOT s.is_active AND r.id = :id"
                ),
                id=RouteId.parse(route["id"]),
            )

    await race(once, guard, owner_url, rounds=ROUNDS)
