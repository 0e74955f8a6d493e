"""How people find stations, and how admins change them."""

from datetime import timedelta

import msgspec
from msgspec import UNSET, UnsetType

from holdfast import idempotency
from holdfast.cache import Cache
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.language import Language, language_of
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.common.places import Place
from holdfast.database import Database, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.stations import repository
from holdfast.stations.dto import StationChanges, StationRequest
from holdfast.stations.errors import StationInUse, StationUnknown
from holdfast.stations.models import Station, StationId, is_zone
from holdfast.stations.registry import StationRegistry, record_changed, record_created
from holdfast.stations.repository import StationSearch

CACHED_FOR = timedelta(seconds=60)
CACHE_GROUP = "stations"


class StationService:
    def __init__(self, database: Database, cache: Cache, registry: StationRegistry) -> None:
        self._database = database
        self._cache = cache
        self._registry = registry

    async def search(self, search: StationSearch, request: PageRequest) -> Page[Station]:
        """Stations in the order in which they were made, or around a place, the nearest first."""
        if search.near is not None:
            return await self._near(search, search.near, request)
        after = request.after(StationId)
        if search.sought is not None:
            return await self._listed(search, request, after)
        key = f"{CACHE_GROUP}:list:{search.is_active}:{request.limit}:{after}"
        return await self._cache.get_or_load(key, CACHED_FOR, lambda: self._listed(search, request, after), Page[Station])

    async def _listed(self, search: StationSearch, request: PageRequest, after: StationId | None) -> Page[Station]:
        async with self._database.reading() as tx:
            found = await repository.listed(tx, search, after, request.limit + 1)
        return Page.cut(found, request, lambda station: encode_cursor(str(station.id)))

    async def _near(self, search: StationSearch, place: Place, request: PageRequest) -> Page[Station]:
        after = request.after_distance(StationId)
        async with self._database.reading() as tx:
            found = await repository.near(tx, search, place, after, request.limit + 1)
        return Page.cut(found, request, lambda station: encode_cursor(repr(station.distance_m), str(station.id)))

    async def get(self, station_id: StationId) -> Station:
        """One station, in service or not. Raises StationUnknown."""
        return await self._cache.get_or_load(f"{CACHE_GROUP}:one:{station_id}", CACHED_FOR, lambda: self._load(station_id), Station)

    async def _load(self, station_id: StationId) -> Station:
        async with self._database.reading() as tx:
            found = await repository.get(tx, station_id)
        if found is None:
            raise StationUnknown
        return found

    async def create(self, actor: Actor, key: IdempotencyKey | None, wanted: StationRequest) -> Station:
        """A new station. Raises Invalid where it has no name, or no such time zone exists."""
        name_ar, name_en = written_names(wanted.name, wanted.name_ar, wanted.name_en)
        _check_zone(wanted.zone)
        station = Station(
            id=StationId.new(),
            name_ar=name_ar,
            name_en=name_en,
            latitude=wanted.latitude,
            longitude=wanted.longitude,
            zone=wanted.zone,
            is_active=wanted.is_active,
            feed_code=None,
            version=1,
        )
        created = await self._create(actor, key, station)
        # The follower of the log does so for certain; this is for the admin who looks at once.
        await self._cache.delete(CACHE_GROUP)
        return created

    @retried
    async def _create(self, actor: Actor, key: IdempotencyKey | None, station: Station) -> Station:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Station) as once:
            if once.replay:
                return once.replay
            await repository.insert(tx, [station])
            await record_created(tx, actor, [station])
            return once.keep(station)

    async def change(
        self, actor: Actor, key: IdempotencyKey | None, station_id: StationId, version: int, changes: StationChanges
    ) -> Station:
        """Change what is not UNSET. Raises StationUnknown, Outdated, Invalid, and StationInUse for taking one out of service that routes in
        service call at.
        """
        if changes.zone is not UNSET:
            _check_zone(changes.zone)
        changed = await self._change(actor, key, station_id, version, changes)
        await self._cache.delete(CACHE_GROUP)
        return changed

    @retried
    async def _change(
        self, actor: Actor, key: IdempotencyKey | None, station_id: StationId, version: int, changes: StationChanges
    ) -> Station:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Station) as once:
            if once.replay:
                return once.replay
            before = (await repository.lock(tx, [station_id])).get(station_id)
            if before is None:
                raise StationUnknown
            if before.version != version:
                raise Outdated
            after = _changed(before, changes)
            if after is before:
                return once.keep(before)
            if before.is_active and not after.is_active:
                routes = await self._registry.use.routes_in_service(tx, station_id)
                if routes:
                    raise StationInUse(routes=routes)
            await repository.save(tx, [after])
            await record_changed(tx, actor, [(before, after)])
            return once.keep(after)


def _changed(station: Station, changes: StationChanges) -> Station:
    wanted = {field: value for field in changes.__struct_fields__ if (value := getattr(changes, field)) is not UNSET}
    for field in ("name_ar", "name_en"):
        if field in wanted:
            wanted[field] = tidy(wanted[field])
    after = msgspec.structs.replace(station, **wanted)
    if after == station:
        return station
    if after.name_ar is None and after.name_en is None:
        raise no_name()
    return msgspec.structs.replace(after, version=station.version + 1)


def written_names(name: str | None, name_ar: str | None, name_en: str | None) -> tuple[str | None, str | None]:
    """The Arabic and the English name of a request; one without a language goes by its letters. Raises Invalid where there is none."""
    ar, en, other = tidy(name_ar), tidy(name_en), tidy(name)
    if other is not None and language_of(other) is Language.AR:
        ar = ar or other
    elif other is not None:
        en = en or other
    if ar is None and en is None:
        raise no_name()
    return ar, en


def tidy(text: str | None) -> str | None:
    """A name without spaces around it or twice within it."""
    return None if text is None else " ".join(text.split()) or None


def no_name() -> Invalid:
    return Invalid(("nameEn", "Give a name in Arabic, in English, or in both."))


def _check_zone(zone: str | UnsetType) -> None:
    if isinstance(zone, str) and not is_zone(zone):
        raise Invalid(("zone", "Send an IANA time zone, such as Africa/Cairo."))
