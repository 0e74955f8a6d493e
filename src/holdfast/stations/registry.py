"""What other modules may ask and change about stations, inside their own transactions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.database import Tx
from holdfast.stations import repository
from holdfast.stations.events import StationChanged
from holdfast.stations.models import Station, StationDraft, StationId

# A metre or so: feeds are exported with the noise of floats in the last digits.
_SAME_PLACE_DEGREES = 0.00001


class StationUse(Protocol):
    """Whoever sends vehicles to stations."""

    async def routes_in_service(self, tx: Tx, station_id: StationId) -> int:
        """How many routes in service call at a station. It is locked."""
        ...


class NobodyCalls:
    """Where no module has routes."""

    async def routes_in_service(self, tx: Tx, station_id: StationId) -> int:
        return 0


class FromFeed(Struct, frozen=True):
    """The stations of a feed as they are now, by their codes, and what was done to get there."""

    stations: Mapping[str, Station]
    created: int
    changed: int


class StationRegistry:
    """``use`` is named once, by the module that has the routes."""

    def __init__(self) -> None:
        self.use: StationUse = NobodyCalls()

    async def hold_still(self, tx: Tx, ids: Collection[StationId]) -> Mapping[StationId, Station]:
        """Stations that nobody changes until the commit, locked in the order of their ids. Unknown ones are not in the answer."""
        return await repository.share(tx, list(ids))

    async def take_from_feed(self, tx: Tx, actor: Actor, drafts: Sequence[StationDraft]) -> FromFeed:
        """Make the stations that are new, change those that the feed tells otherwise, and leave the rest alone. Audited.

        Whether a station is in service is ours to say, so the feed does not change it.
        """
        known = await repository.lock_of_feed(tx, [draft.feed_code for draft in drafts])
        new = [draft for draft in drafts if draft.feed_code not in known]
        # Lists go by id, and so in the order of the feed.
        created = [_made(station_id, draft) for station_id, draft in zip(sorted(StationId.new() for _ in new), new, strict=True)]
        pairs = [(known[draft.feed_code], _told(known[draft.feed_code], draft)) for draft in drafts if draft.feed_code in known]
        changed = [(before, after) for before, after in pairs if before != after]
        await repository.insert(tx, created)
        await repository.save(tx, [after for _, after in changed])
        await record_created(tx, actor, created)
        await record_changed(tx, actor, changed)
        present = {station.feed_code: station for station in [*known.values(), *created, *(after for _, after in changed)]}
        return FromFeed({code: station for code, station in present.items() if code is not None}, len(created), len(changed))


async def record_created(tx: Tx, actor: Actor, stations: Sequence[Station]) -> None:
    await audit.record(tx, [Deed(actor, "station.created", station.id, after=_facts(station)) for station in stations])
    await _announce(tx, stations)


async def record_changed(tx: Tx, actor: Actor, changes: Sequence[tuple[Station, Station]]) -> None:
    """Audit rows hold facts, never names: those that changed are named by their fields."""
    deeds = []
    for before, after in changes:
        renamed = [field for field in ("name_ar", "name_en") if getattr(before, field) != getattr(after, field)]
        named = {"renamed": renamed} if renamed else {}
        deeds.append(Deed(actor, "station.changed", after.id, before=_facts(before), after=_facts(after) | named))
    await audit.record(tx, deeds)
    await _announce(tx, [after for _, after in changes])


async def _announce(tx: Tx, stations: Sequence[Station]) -> None:
    await events.publish(
        tx, [StationChanged(station_id=station.id, version=station.version, is_active=station.is_active) for station in stations]
    )


def _facts(station: Station) -> dict[str, object]:
    return {"latitude": station.latitude, "longitude": station.longitude, "zone": station.zone, "is_active": station.is_active}


def _made(station_id: StationId, draft: StationDraft) -> Station:
    return Station(
        id=station_id,
        name_ar=draft.name_ar,
        name_en=draft.name_en,
        latitude=draft.latitude,
        longitude=draft.longitude,
        zone=draft.zone,
        is_active=True,
        feed_code=draft.feed_code,
        version=1,
    )


def _told(station: Station, draft: StationDraft) -> Station:
    """The station after what a feed tells of it."""
    told = msgspec.structs.replace(
        station,
        name_ar=draft.name_ar or station.name_ar,
        name_en=draft.name_en or station.name_en,
        zone=draft.zone,
    )
    moved = max(abs(draft.latitude - station.latitude), abs(draft.longitude - station.longitude)) > _SAME_PLACE_DEGREES
    if moved:
        told = msgspec.structs.replace(told, latitude=draft.latitude, longitude=draft.longitude)
    return told if told == station else msgspec.structs.replace(told, version=station.version + 1)
