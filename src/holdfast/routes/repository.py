"""The statements of routes, one function each."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from holdfast.common.places import Place, box_around
from holdfast.database import Tx, queries
from holdfast.routes.models import Route, RouteCall, RouteId
from holdfast.stations import Station, StationId

SQL = queries(__file__)


class RouteSearch(Struct, frozen=True):
    """What routes someone looks for. ``sought`` is a part of a name or a code, the radius around ``near`` is in metres."""

    is_active: bool = True
    sought: str | None = None
    station_id: StationId | None = None
    near: Place | None = None
    radius_m: float = 3000


async def listed(tx: Tx, search: RouteSearch, after: RouteId | None, limit: int) -> list[Route]:
    return await tx.all(
        SQL.listed, Route, is_active=search.is_active, sought=search.sought, station_id=search.station_id, after=after, limit=limit
    )


async def near(tx: Tx, search: RouteSearch, place: Place, after: tuple[float, RouteId] | None, limit: int) -> list[Route]:
    box = box_around(place, search.radius_m)
    after_m, after_id = after or (None, None)
    return await tx.all(
        SQL.near,
        Route,
        latitude=place.latitude,
        longitude=place.longitude,
        south=box.south,
        north=box.north,
        west=box.west,
        east=box.east,
        radius_m=search.radius_m,
        is_active=search.is_active,
        sought=search.sought,
        station_id=search.station_id,
        after_m=after_m,
        after=after_id,
        limit=limit,
    )


async def get(tx: Tx, route_id: RouteId) -> Route | None:
    return await tx.first(SQL.get, Route, id=route_id)


async def stations(tx: Tx, route_id: RouteId) -> list[Station]:
    return await tx.all(SQL.stations, Station, route_id=route_id)


async def lock(tx: Tx, route_id: RouteId) -> Route | None:
    return await tx.first(SQL.lock, Route, id=route_id)


async def lock_of_feed(tx: Tx, feed_codes: Sequence[str]) -> dict[str, Route]:
    found = await tx.all(SQL.lock_of_feed, Route, feed_codes=list(feed_codes))
    return {route.feed_code: route for route in found if route.feed_code is not None}


async def calls(tx: Tx, route_ids: Sequence[RouteId]) -> dict[RouteId, list[StationId]]:
    found: dict[RouteId, list[StationId]] = {route_id: [] for route_id in route_ids}
    for call in await tx.all(SQL.calls, RouteCall, route_ids=list(route_ids)):
        found[call.route_id].append(call.station_id)
    return found


async def routes_in_service(tx: Tx, station_id: StationId) -> int:
    return int(await tx.value(SQL.routes_in_service, station_id=station_id))


async def insert(tx: Tx, routes: Sequence[Route]) -> None:
    await tx.run(SQL.insert, **_columns(routes), feed_codes=[route.feed_code for route in routes])


async def save(tx: Tx, routes: Sequence[Route]) -> None:
    """Write what they are now; the version in the database grows by one."""
    await tx.run(SQL.save, **_columns(routes))


async def put_stations(tx: Tx, wanted: Mapping[RouteId, Sequence[StationId]]) -> None:
    """Give routes these stations, in this order, instead of what they had."""
    placed = [(route_id, station_id, order) for route_id, ids in wanted.items() for order, station_id in enumerate(ids, start=1)]
    await tx.run(SQL.clear_stations, route_ids=list(wanted))
    await tx.run(
        SQL.put_stations,
        route_ids=[route_id for route_id, _, _ in placed],
        station_ids=[station_id for _, station_id, _ in placed],
        orders=[order for _, _, order in placed],
    )


def _columns(routes: Sequence[Route]) -> dict[str, object]:
    return {
        "ids": [route.id for route in routes],
        "names_ar": [route.name_ar for route in routes],
        "names_en": [route.name_en for route in routes],
        "codes": [route.code for route in routes],
        "base_fares": [route.base_fare for route in routes],
        "currencies": [route.currency for route in routes],
        "usual_seats": [route.usual_seats for route in routes],
        "are_active": [route.is_active for route in routes],
    }
