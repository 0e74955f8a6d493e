"""Stations: public lists, and what admins do with them."""

import hashlib
from datetime import timedelta

import msgspec
from msgspec import UNSET, Struct, UnsetType

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.cache import Cache
from holdfast.common.actor import Actor
from holdfast.common.errors import Outdated
from holdfast.common.paging import Page, PageRequest, decode_cursor, encode_cursor
from holdfast.common.places import Place
from holdfast.database import Database, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.stations import repository
from holdfast.stations.errors import NameMissing, StationInUse, StationUnknown
from holdfast.stations.events import StationChanged
from holdfast.stations.models import Station, StationId

CACHE_GROUP = "stations"
CACHED_FOR = timedelta(minutes=10)


class StationSearch(Struct, frozen=True):
    """Which stations someone looks for. ``radius_m`` counts around ``near``."""

    near: Place | None = None
    radius_m: float = 3000
    words: str | None = None


class StationChanges(Struct, frozen=True):
    """What of a station is to change; UNSET leaves it as it is."""

    name_ar: str | UnsetType | None = UNSET
    name_en: str | UnsetType | None = UNSET
    latitude: float | UnsetType = UNSET
    longitude: float | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET


class StationService:
    """The use cases of stations."""

    def __init__(self, database: Database, cache: Cache) -> None:
        self._database = database
        self._cache = cache

    async def find(self, search: StationSearch, request: PageRequest) -> Page[Station]:
        """Stations in service: the nearest first where a place is given, else in the order in which they were made."""
        key = f"{CACHE_GROUP}:{_digest(search, request)}"
        return await self._cache.get_or_load(key, CACHED_FOR, lambda: self._find(search, request), Page[Station])

    async def _find(self, search: StationSearch, request: PageRequest) -> Page[Station]:
        async with self._database.reading() as tx:
            if search.near is None:
                after = StationId.parse(decode_cursor(request.cursor, parts=1)[0]) if request.cursor else None
                found = await repository.page(tx, search.words, after, request.limit + 1)
                return Page.cut(found, request, lambda station: encode_cursor(str(station.id)))
            place = None
            if request.cursor:
                distance, station_id = decode_cursor(request.cursor, parts=2)
                place = (float(distance), StationId.parse(station_id))
            found = await repository.near(tx, search.near, search.radius_m, search.words, place, request.limit + 1)
            return Page.cut(found, request, lambda station: encode_cursor(repr(station.distance_m), str(station.id)))

    async def get(self, station_id: StationId) -> Station:
        """One station, in service or not. Raises StationUnknown."""
        async with self._database.reading() as tx:
            station = await repository.get(tx, station_id)
        if station is None:
            raise StationUnknown
        return station

    @retried
    async def create(self, actor: Actor, key: IdempotencyKey | None, new: Station) -> Station:
        """Make a station. Raises NameMissing."""
        _require_name(new)
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Station) as once:
            if once.replay:
                return once.replay
            await repository.insert(tx, new)
            await audit.record(tx, [Deed(actor, "station.created", new.id, after=_facts(new))])
            await events.publish(tx, [StationChanged(version=new.version, station_id=new.id, is_active=new.is_active)])
            return once.keep(new)

    @retried
    async def change(
        self, actor: Actor, key: IdempotencyKey | None, station_id: StationId, version: int, changes: StationChanges
    ) -> Station:
        """Change a station as it was read with ``version``. Raises StationUnknown, Outdated, StationInUse, NameMissing."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Station) as once:
            if once.replay:
                return once.replay
            before = await repository.get(tx, station_id)
            if before is None:
                raise StationUnknown
            given = {name: value for name, value in msgspec.structs.asdict(changes).items() if value is not UNSET}
            wanted = msgspec.structs.replace(before, version=version, **given)
            _require_name(wanted)
            if before.is_active and not wanted.is_active and await repository.is_in_use(tx, station_id):
                raise StationInUse
            after = await repository.save(tx, wanted)
            if after is None:
                raise Outdated
            await audit.record(tx, [Deed(actor, "station.changed", station_id, before=_facts(before), after=_facts(after))])
            await events.publish(tx, [StationChanged(version=after.version, station_id=station_id, is_active=after.is_active)])
            return once.keep(after)


def _require_name(station: Station) -> None:
    if not (station.name_ar or station.name_en):
        raise NameMissing


def _facts(station: Station) -> dict[str, object]:
    return {
        "name_ar": station.name_ar,
        "name_en": station.name_en,
        "latitude": station.latitude,
        "longitude": station.longitude,
        "is_active": station.is_active,
    }


def _digest(search: StationSearch, request: PageRequest) -> str:
    return hashlib.sha256(msgspec.json.encode((search, request))).hexdigest()[:32]
