"""How people find routes, and how admins change them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from msgspec import UNSET

from holdfast import idempotency
from holdfast.cache import Cache
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.money import minor_units
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.common.places import Place
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.routes import repository
from holdfast.routes.deeds import record_changed, record_created
from holdfast.routes.dto import RouteChanges, RouteRequest
from holdfast.routes.errors import RouteTooShort, RouteUnknown, StationOutOfService
from holdfast.routes.models import STATIONS_MIN, Route, RouteId, RouteWithStations
from holdfast.routes.repository import RouteSearch
from holdfast.stations import Station, StationId, StationRegistry
from holdfast.stations.errors import StationUnknown
from holdfast.stations.service import no_name, tidy, written_names

CACHED_FOR = timedelta(seconds=60)
CACHE_GROUP = "routes"


class RouteService:
    def __init__(self, database: Database, cache: Cache, stations: StationRegistry) -> None:
        self._database = database
        self._cache = cache
        self._stations = stations

    async def search(self, search: RouteSearch, request: PageRequest) -> Page[Route]:
        """Routes in the order in which they were made, or by how near to a place they call, the nearest first."""
        if search.near is not None:
            return await self._near(search, search.near, request)
        after = request.after(RouteId)
        if search.sought is not None:
            return await self._listed(search, request, after)
        key = f"{CACHE_GROUP}:list:{search.is_active}:{search.station_id}:{request.limit}:{after}"
        return await self._cache.get_or_load(key, CACHED_FOR, lambda: self._listed(search, request, after), Page[Route])

    async def _listed(self, search: RouteSearch, request: PageRequest, after: RouteId | None) -> Page[Route]:
        async with self._database.reading() as tx:
            found = await repository.listed(tx, search, after, request.limit + 1)
        return Page.cut(found, request, lambda route: encode_cursor(str(route.id)))

    async def _near(self, search: RouteSearch, place: Place, request: PageRequest) -> Page[Route]:
        after = request.after_distance(RouteId)
        async with self._database.reading() as tx:
            found = await repository.near(tx, search, place, after, request.limit + 1)
        return Page.cut(found, request, lambda route: encode_cursor(repr(route.distance_m), str(route.id)))

    async def get(self, route_id: RouteId) -> RouteWithStations:
        """One route, in service or not, with its stations in order. Raises RouteUnknown."""
        return await self._cache.get_or_load(f"{CACHE_GROUP}:one:{route_id}", CACHED_FOR, lambda: self._load(route_id), RouteWithStations)

    async def _load(self, route_id: RouteId) -> RouteWithStations:
        async with self._database.reading() as tx:
            found = await repository.get(tx, route_id)
            if found is None:
                raise RouteUnknown
            return RouteWithStations(found, tuple(await repository.stations(tx, route_id)))

    async def create(self, actor: Actor, key: IdempotencyKey | None, wanted: RouteRequest) -> RouteWithStations:
        """A new route. Raises Invalid, StationUnknown, RouteTooShort, StationOutOfService."""
        name_ar, name_en = written_names(wanted.name, wanted.name_ar, wanted.name_en)
        _check_once_each(wanted.station_ids)
        route = Route(
            id=RouteId.new(),
            name_ar=name_ar,
            name_en=name_en,
            code=tidy(wanted.code),
            base_fare=_fare(wanted.base_fare, wanted.currency),
            currency=wanted.currency,
            usual_seats=wanted.usual_seats,
            is_active=bool(wanted.station_ids) if wanted.is_active is None else wanted.is_active,
            feed_code=None,
            version=1,
        )
        created = await self._create(actor, key, route, wanted.station_ids)
        # The follower of the log does so for certain; this is for the admin who looks at once.
        await self._cache.delete(CACHE_GROUP)
        return created

    @retried
    async def _create(self, actor: Actor, key: IdempotencyKey | None, route: Route, station_ids: Sequence[StationId]) -> RouteWithStations:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RouteWithStations) as once:
            if once.replay:
                return once.replay
            stations = await self._held_still(tx, station_ids)
            _check_service(route, stations)
            await repository.insert(tx, [route])
            await repository.put_stations(tx, {route.id: station_ids})
            await record_created(tx, actor, {route.id: (route, station_ids)})
            return once.keep(RouteWithStations(route, stations))

    async def change(
        self, actor: Actor, key: IdempotencyKey | None, route_id: RouteId, version: int, changes: RouteChanges
    ) -> RouteWithStations:
        """Change what is not UNSET. Raises RouteUnknown, Outdated, Invalid, and RouteTooShort or StationOutOfService for putting one into
        service that cannot be.

        Open sessions keep the fare with which they were opened, and go on when their route goes out of service.
        """
        changed = await self._change(actor, key, route_id, version, changes)
        await self._cache.delete(CACHE_GROUP)
        return changed

    @retried
    async def _change(
        self, actor: Actor, key: IdempotencyKey | None, route_id: RouteId, version: int, changes: RouteChanges
    ) -> RouteWithStations:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RouteWithStations) as once:
            if once.replay:
                return once.replay
            before = await _locked(tx, route_id, version)
            after = _changed(before, changes)
            if after.is_active and not before.is_active:
                ids = (await repository.calls(tx, [route_id]))[route_id]
                _check_service(after, await self._held_still(tx, ids))
            if after is not before:
                await repository.save(tx, [after])
                await record_changed(tx, actor, [(before, after)])
            return once.keep(RouteWithStations(after, tuple(await repository.stations(tx, route_id))))

    async def put_stations(
        self, actor: Actor, key: IdempotencyKey | None, route_id: RouteId, version: int, station_ids: Sequence[StationId]
    ) -> RouteWithStations:
        """Give a route these stations, in this order. Raises RouteUnknown, Outdated, Invalid, StationUnknown, StationOutOfService."""
        _check_once_each(station_ids)
        changed = await self._put_stations(actor, key, route_id, version, station_ids)
        await self._cache.delete(CACHE_GROUP)
        return changed

    @retried
    async def _put_stations(
        self, actor: Actor, key: IdempotencyKey | None, route_id: RouteId, version: int, station_ids: Sequence[StationId]
    ) -> RouteWithStations:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, RouteWithStations) as once:
            if once.replay:
                return once.replay
            before = await _locked(tx, route_id, version)
            stations = await self._held_still(tx, station_ids)
            _check_service(before, stations)
            ids_before = (await repository.calls(tx, [route_id]))[route_id]
            if ids_before == list(station_ids):
                return once.keep(RouteWithStations(before, stations))
            after = msgspec.structs.replace(before, version=before.version + 1)
            await repository.save(tx, [after])
            await repository.put_stations(tx, {route_id: station_ids})
            await record_changed(tx, actor, [(before, after)], {route_id: (ids_before, station_ids)})
            return once.keep(RouteWithStations(after, stations))

    async def _held_still(self, tx: Tx, station_ids: Sequence[StationId]) -> tuple[Station, ...]:
        """The stations in the order given; they stay as they are until the commit. Locked after the route. Raises StationUnknown."""
        found = await self._stations.hold_still(tx, station_ids)
        if len(found) < len(station_ids):
            raise StationUnknown
        return tuple(found[station_id] for station_id in station_ids)


async def _locked(tx: Tx, route_id: RouteId, version: int) -> Route:
    found = await repository.lock(tx, route_id)
    if found is None:
        raise RouteUnknown
    if found.version != version:
        raise Outdated
    return found


def _check_service(route: Route, stations: Sequence[Station]) -> None:
    if not route.is_active:
        return
    if len(stations) < STATIONS_MIN:
        raise RouteTooShort(stations_min=STATIONS_MIN)
    for station in stations:
        if not station.is_active:
            raise StationOutOfService(station_id=station.id)


def _check_once_each(station_ids: Sequence[StationId]) -> None:
    again = [place for place, station_id in enumerate(station_ids) if station_id in station_ids[:place]]
    if again:
        raise Invalid(*((f"stationIds[{place}]", "This station is on the route already: a route calls at each once.") for place in again))


def _changed(route: Route, changes: RouteChanges) -> Route:
    wanted: dict[str, Any] = {field: value for field in changes.__struct_fields__ if (value := getattr(changes, field)) is not UNSET}
    for field in ("name_ar", "name_en", "code"):
        if field in wanted:
            wanted[field] = tidy(wanted[field])
    if "base_fare" in wanted:
        wanted["base_fare"] = _fare(wanted["base_fare"], route.currency)
    after = msgspec.structs.replace(route, **wanted)
    if after == route:
        return route
    if after.name_ar is None and after.name_en is None:
        raise no_name()
    return msgspec.structs.replace(after, version=route.version + 1)


def _fare(major: float, currency: str) -> int:
    try:
        return minor_units(major, currency)
    except ValueError as error:
        raise Invalid(("baseFare", f"{error}.")) from None
