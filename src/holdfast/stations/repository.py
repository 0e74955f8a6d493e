"""The statements of stations, one function each."""

from collections.abc import Sequence

from msgspec import Struct

from holdfast.common.places import Place, box_around
from holdfast.database import Tx, queries
from holdfast.stations.models import Station, StationId

SQL = queries(__file__)


class StationSearch(Struct, frozen=True):
    """What stations someone looks for. ``sought`` is a part of a name, the radius around ``near`` is in metres."""

    is_active: bool = True
    sought: str | None = None
    near: Place | None = None
    radius_m: float = 3000


async def listed(tx: Tx, search: StationSearch, after: StationId | None, limit: int) -> list[Station]:
    return await tx.all(SQL.listed, Station, is_active=search.is_active, sought=search.sought, after=after, limit=limit)


async def near(tx: Tx, search: StationSearch, place: Place, after: tuple[float, StationId] | None, limit: int) -> list[Station]:
    box = box_around(place, search.radius_m)
    after_m, after_id = after or (None, None)
    return await tx.all(
        SQL.near,
        Station,
        latitude=place.latitude,
        longitude=place.longitude,
        south=box.south,
        north=box.north,
        west=box.west,
        east=box.east,
        radius_m=search.radius_m,
        is_active=search.is_active,
        sought=search.sought,
        after_m=after_m,
        after=after_id,
        limit=limit,
    )


async def get(tx: Tx, station_id: StationId) -> Station | None:
    return await tx.first(SQL.get, Station, id=station_id)


async def lock(tx: Tx, ids: Sequence[StationId]) -> dict[StationId, Station]:
    return {station.id: station for station in await tx.all(SQL.lock, Station, ids=list(ids))}


async def share(tx: Tx, ids: Sequence[StationId]) -> dict[StationId, Station]:
    return {station.id: station for station in await tx.all(SQL.share, Station, ids=list(ids))}


async def lock_of_feed(tx: Tx, feed_codes: Sequence[str]) -> dict[str, Station]:
    found = await tx.all(SQL.lock_of_feed, Station, feed_codes=list(feed_codes))
    return {station.feed_code: station for station in found if station.feed_code is not None}


async def insert(tx: Tx, stations: Sequence[Station]) -> None:
    await tx.run(SQL.insert, **_columns(stations), feed_codes=[station.feed_code for station in stations])


async def save(tx: Tx, stations: Sequence[Station]) -> None:
    """Write what they are now; the version in the database grows by one."""
    await tx.run(SQL.save, **_columns(stations))


def _columns(stations: Sequence[Station]) -> dict[str, object]:
    return {
        "ids": [station.id for station in stations],
        "names_ar": [station.name_ar for station in stations],
        "names_en": [station.name_en for station in stations],
        "latitudes": [station.latitude for station in stations],
        "longitudes": [station.longitude for station in stations],
        "zones": [station.zone for station in stations],
        "are_active": [station.is_active for station in stations],
    }
