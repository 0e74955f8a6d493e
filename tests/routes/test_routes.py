"""Routes over HTTP."""

from typing import Any

import pytest
from tests.routes.city import City, Visitor


async def test_an_admin_makes_a_route_and_everybody_sees_it(city: City, visitor: Visitor, admin: Visitor) -> None:
    route = await admin.route("Ramses", "Abbaseya", "Nasr City", fare=7.5, nameAr="رمسيس - مدينة نصر", code="14", usualSeats=14)
    assert [station["name"] for station in route["stations"]] == ["Ramses", "Abbaseya", "Nasr City"]
    assert (route["baseFare"], route["currency"], route["isActive"]) == (7.5, "EGP", True)
    seen = await visitor.get(f"/routes/{route['id']}", accept_language="ar")
    assert '"baseFare":7.50,' in seen.text
    assert seen.headers["ETag"] == '"1"'
    assert seen.json() == route | {"name": "رمسيس - مدينة نصر"}
    listed = (await visitor.get("/routes")).json()["data"]
    assert listed == [{name: value for name, value in route.items() if name != "stations"} | {"distanceM": None}]
    ((_, after),) = await city.deeds("route.created")
    assert after["base_fare"] == 750
    assert len(after["stations"]) == 3


async def test_the_documents_own_fields_suffice(admin: Visitor) -> None:
    made = await admin.post("/routes", {"name": "Ramses - Giza", "baseFare": 5})
    assert made.status_code == 201
    assert (made.json()["isActive"], made.json()["stations"]) == (False, [])
    refused = await admin.post("/routes", {"name": "Ramses - Giza", "baseFare": 5, "isActive": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "route_too_short")


async def test_bad_routes_are_refused(city: City, admin: Visitor) -> None:
    async def refused(body: dict[str, object]) -> list[str]:
        answer = await admin.post("/routes", {"name": "x", "baseFare": 5} | body)
        assert answer.status_code == 422, answer.text
        return [fault["path"] for fault in answer.json()["errors"]]

    station = (await admin.station())["id"]
    assert await refused({"baseFare": -1}) == ["baseFare"]
    assert await refused({"baseFare": 5.001}) == ["baseFare"]
    assert await refused({"baseFare": 5.5, "currency": "JPY"}) == ["baseFare"]
    assert await refused({"baseFare": 10_000_000}) == ["baseFare"]
    assert await refused({"currency": "pounds"}) == ["currency"]
    assert await refused({"name": None}) == ["nameEn"]
    assert await refused({"usualSeats": 0}) == ["usualSeats"]
    assert await refused({"stationIds": [station, station]}) == ["stationIds[1]"]
    assert await refused({"stationIds": ["Ramses"]}) == ["stationIds[0]"]
    unknown = await admin.post("/routes", {"name": "x", "baseFare": 5, "stationIds": [station, "stn_01h455vb4pex5vsknk084sn02q"]})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "station_unknown")
    assert await city.count("routes") == 0


@pytest.mark.parametrize(("currency", "fare", "minor"), [("EGP", 7.5, 750), ("JPY", 150, 150), ("KWD", 0.255, 255)])
async def test_fares_have_the_digits_of_their_currency(city: City, admin: Visitor, currency: str, fare: float, minor: int) -> None:
    made = await admin.post("/routes", {"name": "x", "baseFare": fare, "currency": currency})
    assert made.json()["baseFare"] == fare
    ((_, after),) = await city.deeds("route.created")
    assert (after["base_fare"], after["currency"]) == (minor, currency)


async def test_changing_a_route(city: City, admin: Visitor) -> None:
    route = await admin.route("Ramses", "Giza")
    path = f"/routes/{route['id']}"
    assert (await admin.patch(path, {"baseFare": 6})).status_code == 428
    changed = await admin.patch(path, {"baseFare": 6.25, "nameAr": "رمسيس", "code": "M1"}, if_match='"1"')
    assert changed.json() == route | {"baseFare": 6.25, "nameAr": "رمسيس", "code": "M1"}
    assert changed.headers["ETag"] == '"2"'
    assert (await admin.patch(path, {"baseFare": 7}, if_match='"1"')).status_code == 412
    assert (await admin.patch(path, {"baseFare": 6.25}, if_match='"2"')).headers["ETag"] == '"2"'
    ((before, after),) = await city.deeds("route.changed")
    assert (before["base_fare"], after["base_fare"], after["renamed"]) == (500, 625, ["name_ar", "code"])
    assert (await city.announced())[-2:] == ["RouteChanged 1", "RouteChanged 2"]


async def test_putting_stations_in_order(city: City, visitor: Visitor, admin: Visitor) -> None:
    route = await admin.route("A", "B", "C")
    a, b, c = (station["id"] for station in route["stations"])
    path = f"/routes/{route['id']}/stations"
    assert (await admin.put(path, {"stationIds": [c, a]})).status_code == 428
    changed = await admin.put(path, {"stationIds": [c, a]}, if_match='"1"')
    assert [station["id"] for station in changed.json()["stations"]] == [c, a]
    assert (await visitor.get(f"/routes/{route['id']}")).json() == changed.json()
    assert [r["id"] for r in (await visitor.get(f"/routes?station={a}")).json()["data"]] == [route["id"]]
    assert (await visitor.get(f"/routes?station={b}")).json()["data"] == []
    assert (await admin.put(path, {"stationIds": [a]}, if_match='"2"')).status_code == 422
    twice = await admin.put(path, {"stationIds": [a, c, a]}, if_match='"2"')
    assert twice.json()["errors"][0]["path"] == "stationIds[2]"
    assert (await admin.put(path, {"stationIds": [a, b]}, if_match='"1"')).status_code == 412
    ((before, after),) = await city.deeds("route.changed")
    assert (len(before["stations"]), len(after["stations"])) == (3, 2)


async def test_routes_in_service_call_only_at_stations_in_service(admin: Visitor) -> None:
    route = await admin.route("A", "B")
    a, b = (station["id"] for station in route["stations"])
    in_use = await admin.patch(f"/stations/{a}", {"isActive": False}, if_match='"1"')
    assert (in_use.status_code, in_use.json()["code"], in_use.json()["routes"]) == (409, "station_in_use", 1)
    stopped = await admin.patch(f"/routes/{route['id']}", {"isActive": False}, if_match='"1"')
    assert stopped.json()["isActive"] is False
    assert (await admin.patch(f"/stations/{a}", {"isActive": False}, if_match='"1"')).status_code == 200
    refused = await admin.patch(f"/routes/{route['id']}", {"isActive": True}, if_match='"2"')
    assert (refused.json()["code"], refused.json()["stationId"]) == ("station_out_of_service", a)
    fresh = (await admin.station("C"))["id"]
    assert (await admin.put(f"/routes/{route['id']}/stations", {"stationIds": [b, fresh]}, if_match='"2"')).status_code == 200
    assert (await admin.patch(f"/routes/{route['id']}", {"isActive": True}, if_match='"3"')).status_code == 200
    refused = await admin.put(f"/routes/{route['id']}/stations", {"stationIds": [b, a]}, if_match='"4"')
    assert refused.json()["code"] == "station_out_of_service"


async def test_lists_by_name_code_and_service(visitor: Visitor, admin: Visitor) -> None:
    one = await admin.route("Ramses", "Giza", code="M 14")
    await admin.route("Helwan", "Maadi")
    stopped = await admin.post("/routes", {"name": "Stopped", "baseFare": 1})

    async def found(query: str) -> list[str]:
        return [str(route["name"]) for route in (await visitor.get(f"/routes?{query}")).json()["data"]]

    assert await found("q=m 14") == [one["name"]]
    assert await found("q=helw") == ["Helwan - Maadi"]
    assert await found("active=false") == [stopped.json()["name"]]
    assert len(await found("limit=1")) == 1
    assert (await visitor.get("/routes?active=maybe")).status_code == 422
    assert (await visitor.get("/routes?station=Ramses")).status_code == 422


async def test_near_is_the_distance_to_the_nearest_station(visitor: Visitor, admin: Visitor) -> None:
    async def route(name: str, *latitudes: float) -> dict[str, Any]:
        ids = [(await admin.station(f"{name} {latitude}", latitude=latitude))["id"] for latitude in latitudes]
        return dict((await admin.post("/routes", {"name": name, "baseFare": 5, "stationIds": ids})).json())

    await route("far", 30.5, 30.6)
    await route("second", 30.08, 30.07)
    await route("first", 30.4, 30.063)
    found = (await visitor.get("/routes?near=30.0626,31.2473&radiusM=3000")).json()["data"]
    assert [(r["name"], r["distanceM"]) for r in found] == [("first", 44), ("second", 823)]
    page = (await visitor.get("/routes?near=30.0626,31.2473&radiusM=50000&limit=1")).json()
    rest = (await visitor.get(f"/routes?near=30.0626,31.2473&radiusM=50000&cursor={page['pagination']['nextCursor']}")).json()
    assert [r["name"] for r in rest["data"]] == ["second", "far"]


async def test_only_admins_may(city: City, visitor: Visitor, admin: Visitor) -> None:
    await city.person("passenger")
    route = await admin.route("A", "B")
    passenger = visitor.named("passenger")
    for caller, status in ((visitor, 401), (passenger, 403)):
        assert (await caller.post("/routes", {"name": "x", "baseFare": 1})).status_code == status
        assert (await caller.patch(f"/routes/{route['id']}", {"baseFare": 1}, if_match='"1"')).status_code == status
        assert (await caller.put(f"/routes/{route['id']}/stations", {"stationIds": []}, if_match='"1"')).status_code == status
