"""Feeds into the database: all or nothing, and a second time nothing."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from tests.gtfs.town import FIVE, TOWN, lines_of, town, written
from tests.routes.city import City, Visitor

from holdfast.app.demo import FEED, put_city
from holdfast.common.actor import SYSTEM
from holdfast.common.money import egp
from holdfast.database import Database
from holdfast.routes.gtfs import FeedImport, Lines, Wanted
from holdfast.routes.models import BASE_FARE_MAX

ROOT = Path(__file__).parents[2]
CAIRO = ROOT.parent / "shared" / "data" / "cairo-gtfs"


@pytest.fixture
def feed_import(city: City) -> FeedImport:
    return FeedImport(city.database, city.stations.registry)


async def _put(feed_import: FeedImport, lines: Lines) -> tuple[int, int, int, int]:
    """Stations created and changed, routes created and changed."""
    done = await feed_import.put(SYSTEM, lines)
    return done.stations_created, done.stations_changed, done.routes_created, done.routes_changed


async def _table(database: Database, table: str) -> list[str]:
    async with database.reading() as tx:
        return [row["whole"] for row in await tx.rows(text(f"SELECT {table}::text AS whole FROM {table} ORDER BY 1"))]


async def test_a_feed_becomes_routes_that_can_be_seen(feed_import: FeedImport, visitor: Visitor, city: City, tmp_path: Path) -> None:
    assert await _put(feed_import, lines_of(written(tmp_path, TOWN))) == (4, 0, 4, 0)
    listed = (await visitor.get("/routes?q=nasr")).json()["data"]
    assert sorted(route["name"] for route in listed) == ["Nasr City – Ramses", "Ramses – Nasr City"]
    route = next(route for route in listed if route["name"] == "Ramses – Nasr City")
    assert (route["baseFare"], route["code"]) == (7.5, "1")
    shown = (await visitor.get(f"/routes/{route['id']}")).json()
    assert [station["name"] for station in shown["stations"]] == ["Ramses", "Abbaseya", "Nasr City"]
    assert len(await city.deeds("route.created")) == 4
    assert len(await city.deeds("station.created")) == 4
    assert sorted(await city.announced()) == ["RouteChanged 1"] * 4 + ["StationChanged 1"] * 4


async def test_a_second_time_changes_nothing(feed_import: FeedImport, city: City, tmp_path: Path) -> None:
    lines = lines_of(written(tmp_path, TOWN))
    await _put(feed_import, lines)
    tables = ("stations", "routes", "route_stations", "events", "audit_logs")
    before = [await _table(city.database, table) for table in tables]
    assert await _put(feed_import, lines_of(tmp_path)) == (0, 0, 0, 0)
    assert [await _table(city.database, table) for table in tables] == before


async def test_what_the_feed_tells_otherwise_is_changed_and_nothing_else(
    feed_import: FeedImport, visitor: Visitor, city: City, tmp_path: Path
) -> None:
    await _put(feed_import, lines_of(written(tmp_path, TOWN)))
    newer = town(
        stops=TOWN["stops.txt"].replace("Abbaseya,30.07", "Abbaseya,30.08"),
        fare_attributes=TOWN["fare_attributes.txt"].replace("7.5", "8"),
        stop_times=TOWN["stop_times.txt"] + "R2-out,06:30:00,06:30:00,B,3\n",
    )
    # The fare of R1 in both directions; the stations of R2, and with its end its name.
    assert await _put(feed_import, lines_of(written(tmp_path, newer))) == (0, 1, 0, 3)
    assert await _put(feed_import, lines_of(tmp_path)) == (0, 0, 0, 0)
    ((before, after),) = await city.deeds("station.changed")
    assert (before["latitude"], after["latitude"]) == (30.07, 30.08)
    fares = [(before["base_fare"], after["base_fare"]) for before, after in await city.deeds("route.changed")]
    assert sorted(fares) == [(500, 500), (750, 800), (750, 800)]
    assert [route["name"] for route in (await visitor.get("/routes?q=giza")).json()["data"]] == ["Ramses – Giza", "Giza – Abbaseya"]


async def test_what_admins_decided_stays(feed_import: FeedImport, admin: Visitor, tmp_path: Path) -> None:
    await _put(feed_import, lines_of(written(tmp_path, TOWN)))
    routes = {route["name"]: route for route in (await admin.get("/routes")).json()["data"]}
    giza, nasr = routes["Giza – Ramses"]["id"], routes["Ramses – Nasr City"]["id"]
    # No fare in the feed, so it is the admins' to set; a name in a language that the feed does not have; a route out of service.
    await admin.patch(f"/routes/{giza}", {"baseFare": 6.5}, if_match='"1"')
    await admin.patch(f"/routes/{nasr}", {"nameAr": "رمسيس - مدينة نصر", "isActive": False}, if_match='"1"')
    abbaseya = (await admin.get("/stations?q=abbaseya")).json()["data"][0]
    assert (await admin.patch(f"/stations/{abbaseya['id']}", {"isActive": False}, if_match='"1"')).status_code == 200
    done = await feed_import.put(SYSTEM, lines_of(tmp_path))
    # The station that is out of service leaves its route, once.
    assert (done.routes_created, done.routes_changed, done.stations_changed) == (0, 1, 0)
    assert await _put(feed_import, lines_of(tmp_path)) == (0, 0, 0, 0)
    assert (await admin.get(f"/routes/{giza}")).json()["baseFare"] == 6.5
    kept = (await admin.get(f"/routes/{nasr}")).json()
    assert (kept["nameAr"], kept["isActive"]) == ("رمسيس - مدينة نصر", False)
    assert [station["name"] for station in kept["stations"]] == ["Ramses", "Nasr City"]


async def test_a_route_without_stations_in_service_is_left_and_told(feed_import: FeedImport, admin: Visitor, tmp_path: Path) -> None:
    lines = lines_of(written(tmp_path, TOWN), Wanted(agencies=["SMALL"], default_fare=egp(5)))
    await _put(feed_import, lines)
    route = (await admin.get("/routes")).json()["data"][0]
    await admin.patch(f"/routes/{route['id']}", {"isActive": False}, if_match='"1"')
    giza = (await admin.get("/stations?q=giza")).json()["data"][0]
    await admin.patch(f"/stations/{giza['id']}", {"isActive": False}, if_match='"1"')
    done = await feed_import.put(SYSTEM, lines)
    assert (done.routes_changed, done.notes) == (0, ("town-of-tests:R2:0 has too few stations in service: left as it is",))


async def test_all_or_nothing(feed_import: FeedImport, city: City, tmp_path: Path) -> None:
    lines = lines_of(written(tmp_path, TOWN))
    last = msgspec.structs.replace(lines.routes[-1], fare=egp(BASE_FARE_MAX))
    with pytest.raises(Exception, match="routes_base_fare"):
        await feed_import.put(SYSTEM, msgspec.structs.replace(lines, routes=(*lines.routes[:-1], last)))
    assert [await city.count(table) for table in ("stations", "routes", "route_stations", "events", "audit_logs")] == [0] * 5


async def test_two_imports_at_once_make_everything_once(feed_import: FeedImport, city: City, tmp_path: Path) -> None:
    lines = lines_of(written(tmp_path, TOWN))
    done = await asyncio.gather(*(feed_import.put(SYSTEM, lines) for _ in range(4)))
    assert sorted((each.stations_created, each.routes_created) for each in done) == [(0, 0)] * 3 + [(4, 4)]
    assert [await city.count(table) for table in ("stations", "routes", "route_stations")] == [4, 4, 9]


async def test_feeds_with_the_same_ids_do_not_meet(feed_import: FeedImport, city: City, tmp_path: Path) -> None:
    path = written(tmp_path, TOWN)
    await _put(feed_import, lines_of(path))
    assert await _put(feed_import, lines_of(path, name="Another town")) == (4, 0, 4, 0)
    assert await city.count("stations") == 8


async def test_the_demonstration_has_something_to_sell(city: City, visitor: Visitor) -> None:
    first = await put_city(city.database)
    assert (first.routes_created, first.stations_created, first.notes) == (12, 26, ())
    again = await put_city(city.database)
    assert (again.routes_created, again.routes_changed, again.stations_created, again.stations_changed) == (0, 0, 0, 0)
    english = (await visitor.get("/routes?q=ramses&limit=1")).json()["data"][0]
    arabic = (await visitor.get(f"/routes/{english['id']}", accept_language="ar")).json()
    assert english["name"] == "Ramses Square – Nasr City, Seventh District"
    assert arabic["name"] == "ميدان رمسيس – مدينة نصر، الحي السابع"
    assert all(station["nameAr"] and station["nameEn"] for station in arabic["stations"])
    assert {route["usualSeats"] for route in (await visitor.get("/routes")).json()["data"]} == {8, 14}
    assert "CC0" in (FEED / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not CAIRO.is_dir(), reason=f"the feed of Cairo is not beside the checkout, in {CAIRO.relative_to(ROOT.parent)}")
async def test_cairo(feed_import: FeedImport, city: City, visitor: Visitor) -> None:
    everything = lines_of(CAIRO, FIVE)
    assert len({route.feed_code.rpartition(":")[0] for route in everything.routes}) == 217
    assert len(everything.routes) == 371
    metro = [route for route in everything.routes if route.is_own_fare]
    assert sorted({str(route.fare) for route in metro}) == ["3.00 EGP", "7.00 EGP"]
    microbuses = lines_of(CAIRO, Wanted(agencies=["P_O_14", "P_B_8"], default_fare=egp(5), seats={"P_O_14": 14, "P_B_8": 8}))
    assert len({route.feed_code.rpartition(":")[0] for route in microbuses.routes}) == 150
    done = await feed_import.put(SYSTEM, microbuses)
    assert (done.routes_created, done.stations_created, done.notes) == (249, 831, ())
    assert {route.usual_seats for route in microbuses.routes} == {8, 14}
    assert await _put(feed_import, microbuses) == (0, 0, 0, 0)
    done = await feed_import.put(SYSTEM, everything)
    assert (done.routes_created, done.routes_changed, done.stations_created) == (371 - 249, 0, 1362 - 831)
    near = (await visitor.get("/routes?near=30.0626,31.2473&radiusM=2000&limit=100")).json()["data"]
    assert len(near) > 10
    assert {14} <= {route["usualSeats"] for route in near}
