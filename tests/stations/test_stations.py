"""Stations over HTTP."""

from tests.routes.city import RAMSES, City, Visitor

from holdfast.common.actor import Role
from holdfast.common.paging import encode_cursor


async def test_an_admin_makes_a_station_and_everybody_sees_it(city: City, visitor: Visitor, admin: Visitor) -> None:
    made = await admin.post("/stations", RAMSES | {"nameAr": "رمسيس", "nameEn": "  Ramses   Square "})
    assert made.status_code == 201
    assert made.headers["ETag"] == '"1"'
    assert made.json()["nameEn"] == "Ramses Square"
    seen = await visitor.get(f"/stations/{made.json()['id']}", accept_language="ar")
    assert seen.status_code == 200
    assert seen.json() == made.json() | {"name": "رمسيس"}
    assert made.json()["name"] == "Ramses Square"
    assert (await visitor.get("/stations")).json()["data"] == [made.json()]
    assert await city.deeds("station.created") == [(None, RAMSES | {"zone": "Africa/Cairo", "is_active": True})]
    assert await city.announced() == ["StationChanged 1"]


async def test_a_missing_language_falls_back_to_the_other(visitor: Visitor, admin: Visitor) -> None:
    station = await admin.station("العباسية")
    assert (station["nameAr"], station["nameEn"], station["name"]) == ("العباسية", None, "العباسية")
    english = await admin.station("Giza")
    arabic = await visitor.get(f"/stations/{english['id']}", accept_language="ar")
    assert (arabic.json()["name"], arabic.json()["nameAr"]) == ("Giza", None)


async def test_only_admins_may(city: City, visitor: Visitor) -> None:
    await city.person("passenger", Role.PASSENGER)
    assert (await visitor.post("/stations", RAMSES | {"name": "x"})).status_code == 401
    assert (await visitor.named("passenger").post("/stations", RAMSES | {"name": "x"})).status_code == 403
    assert await city.count("stations") == 0


async def test_bad_stations_are_refused_with_all_faults(city: City, admin: Visitor) -> None:
    async def faults(body: object) -> list[str]:
        answer = await admin.post("/stations", body)
        assert answer.status_code == 422, answer.text
        return [fault["path"] for fault in answer.json()["errors"]]

    assert await faults({"latitude": 91, "longitude": -181, "name": "x", "colour": "red"}) == ["colour", "latitude", "longitude"]
    assert await faults(RAMSES) == ["nameEn"]
    assert await faults(RAMSES | {"name": "   "}) == ["name"]
    assert await faults(RAMSES | {"name": "x", "zone": "Africa/Atlantis"}) == ["zone"]
    assert await faults(RAMSES | {"name": "x" * 201}) == ["name"]
    assert await faults(RAMSES | {"name": "a\x00b"}) == ["name"]
    assert await city.count("stations") == 0


async def test_the_same_key_makes_one_station(city: City, admin: Visitor) -> None:
    first = await admin.post("/stations", RAMSES | {"name": "Ramses"}, idempotency_key="one")
    again = await admin.post("/stations", RAMSES | {"name": "Ramses"}, idempotency_key="one")
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await admin.post("/stations", RAMSES | {"name": "Giza"}, idempotency_key="one")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await city.count("stations") == 1


async def test_changing_needs_the_version_that_was_read(city: City, admin: Visitor) -> None:
    station = await admin.station()
    path = f"/stations/{station['id']}"
    assert (await admin.patch(path, {"nameEn": "New"})).status_code == 428
    changed = await admin.patch(path, {"nameEn": "New", "nameAr": "جديد", "latitude": 30.07}, if_match='"1"')
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert changed.json() == station | {"name": "New", "nameEn": "New", "nameAr": "جديد", "latitude": 30.07}
    outdated = await admin.patch(path, {"nameEn": "Newer"}, if_match='"1"')
    assert (outdated.status_code, outdated.json()["code"]) == (412, "outdated")
    same = await admin.patch(path, {"nameEn": "New"}, if_match='"2"')
    assert (same.status_code, same.headers["ETag"]) == (200, '"2"')
    ((before, after),) = await city.deeds("station.changed")
    assert (before["latitude"], after["latitude"], after["renamed"]) == (30.0626, 30.07, ["name_ar", "name_en"])
    assert "New" not in str(after)
    assert await city.announced() == ["StationChanged 1", "StationChanged 2"]


async def test_one_name_must_stay(admin: Visitor) -> None:
    station = await admin.station("Ramses", nameAr="رمسيس")
    path = f"/stations/{station['id']}"
    assert (await admin.patch(path, {"nameEn": None}, if_match='"1"')).json()["name"] == "رمسيس"
    refused = await admin.patch(path, {"nameAr": None}, if_match='"2"')
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "nameEn")


async def test_ids_of_others_and_of_nothing(visitor: Visitor, admin: Visitor) -> None:
    station = await admin.station()
    assert (await visitor.get("/stations/" + station["id"].replace("stn_", "rte_"))).status_code == 404
    assert (await visitor.get("/stations/" + station["id"][:-1])).status_code == 422
    unknown = "stn_01h455vb4pex5vsknk084sn02q"
    assert (await visitor.get(f"/stations/{unknown}")).json()["code"] == "station_unknown"
    assert (await admin.patch(f"/stations/{unknown}", {}, if_match='"1"')).json()["code"] == "station_unknown"


async def test_pages_follow_one_another(visitor: Visitor, admin: Visitor) -> None:
    made = [(await admin.station(f"Stop {number}"))["id"] for number in range(5)]
    seen, path = [], "/stations?limit=2"
    while path:
        answer = await visitor.get(path)
        seen += [station["id"] for station in answer.json()["data"]]
        cursor = answer.json()["pagination"]["nextCursor"]
        assert ('rel="next"' in answer.headers.get("Link", "")) == bool(cursor)
        path = f"/stations?limit=2&cursor={cursor}" if cursor else ""
    assert seen == made
    assert (await visitor.get("/stations?cursor=abc")).status_code == 422
    near = await visitor.get("/stations?limit=2&near=30.06,31.24")
    assert (await visitor.get(f"/stations?cursor={near.json()['pagination']['nextCursor']}")).status_code == 422
    assert (await visitor.get(f"/routes?near=30.06,31.24&cursor={near.json()['pagination']['nextCursor']}")).status_code == 422
    assert (await visitor.get(f"/stations?near=30.06,31.24&cursor={encode_cursor('x', made[0])}")).status_code == 422


async def test_near_finds_the_nearest_first_and_nothing_beyond_the_radius(visitor: Visitor, admin: Visitor) -> None:
    for name, latitude, longitude in (("far", 30.2, 31.2473), ("second", 30.0716, 31.2473), ("first", 30.0626, 31.2490)):
        await admin.station(name, latitude=latitude, longitude=longitude)
    found = (await visitor.get("/stations?near=30.0626,31.2473&radiusM=1500")).json()["data"]
    assert [(station["name"], station["distanceM"]) for station in found] == [("first", 164), ("second", 1001)]
    assert [s["name"] for s in (await visitor.get("/stations?near=30.0626,31.2473&radiusM=900")).json()["data"]] == ["first"]
    page = (await visitor.get("/stations?near=30.0626,31.2473&radiusM=50000&limit=2")).json()
    rest = (await visitor.get(f"/stations?near=30.0626,31.2473&radiusM=50000&cursor={page['pagination']['nextCursor']}")).json()
    assert [s["name"] for s in page["data"] + rest["data"]] == ["first", "second", "far"]
    for near in ("30", "a,b", "91,0", "0,181", "nan,nan", "1,2,3", "inf,0"):
        assert (await visitor.get(f"/stations?near={near}")).status_code == 422
    assert (await visitor.get("/stations?near=30,31&radiusM=0")).status_code == 422


async def test_near_works_at_the_date_line_and_the_poles(visitor: Visitor, admin: Visitor) -> None:
    await admin.station("east", latitude=0.0, longitude=179.999)
    await admin.station("pole", latitude=89.999, longitude=10.0)
    assert [s["name"] for s in (await visitor.get("/stations?near=0,-179.999")).json()["data"]] == ["east"]
    assert [s["name"] for s in (await visitor.get("/stations?near=90,-170")).json()["data"]] == ["pole"]


async def test_search_forgives_spelling(visitor: Visitor, admin: Visitor) -> None:
    await admin.station("Al Abbaseya", nameAr="العبّاسية")
    await admin.station("أحمد عرابي 100%")
    for sought, found in (
        ("abbas", 1),
        ("ABBASEYA", 1),
        ("العباسيه", 1),
        ("احمد عرابى", 1),
        ("100%", 1),
        ("_", 0),
        ("%", 1),
        ("nowhere", 0),
    ):
        answer = await visitor.get("/stations?q=" + sought.replace("%", "%25"))
        assert len(answer.json()["data"]) == found, sought


async def test_a_station_out_of_service_leaves_the_list(visitor: Visitor, admin: Visitor) -> None:
    station = await admin.station()
    closed = await admin.patch(f"/stations/{station['id']}", {"isActive": False}, if_match='"1"')
    assert closed.json()["isActive"] is False
    assert (await visitor.get("/stations")).json()["data"] == []
    assert (await visitor.get("/stations?near=30.0626,31.2473")).json()["data"] == []
    assert [s["id"] for s in (await visitor.get("/stations?active=false")).json()["data"]] == [station["id"]]
    assert (await visitor.get(f"/stations/{station['id']}")).json()["isActive"] is False
