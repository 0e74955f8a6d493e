"""Putting a feed's lines in: all of them in one commit, or none."""

import msgspec
from msgspec import Struct
from psycopg.errors import UniqueViolation

from holdfast.common.actor import Actor
from holdfast.database import Database, Tx, retried
from holdfast.routes import repository
from holdfast.routes.deeds import record_changed, record_created
from holdfast.routes.gtfs.lines import Lines, RouteDraft
from holdfast.routes.models import STATIONS_MIN, Route, RouteId
from holdfast.stations import FromFeed, StationId, StationRegistry


class Imported(Struct, frozen=True):
    """What was done. ``notes`` say in words what was left out."""

    stations: int
    stations_created: int
    stations_changed: int
    routes: int
    routes_created: int
    routes_changed: int
    notes: tuple[str, ...]


class _Change(Struct, frozen=True):
    before: Route
    after: Route
    stations_before: list[StationId]
    stations_after: list[StationId]

    @property
    def is_change(self) -> bool:
        return self.before != self.after or self.stations_before != self.stations_after


class FeedImport:
    """``database`` should be a patient one: a large feed takes longer than a request may."""

    def __init__(self, database: Database, stations: StationRegistry) -> None:
        self._database = database
        self._stations = stations

    async def put(self, actor: Actor, lines: Lines) -> Imported:
        """Make what is new, change what the feed tells otherwise, leave the rest alone; a second time nothing is left to do. Audited.

        What only an admin can know stays: whether routes and stations are in service, and fares that the feed does not tell. A station
        that is out of service is left out of its routes.
        """
        try:
            return await self._put(actor, lines)
        except UniqueViolation:
            # Another import of this feed made the same things, and has committed: now they are known.
            return await self._put(actor, lines)

    @retried
    async def _put(self, actor: Actor, lines: Lines) -> Imported:
        async with self._database.transaction() as tx:
            # Routes before stations: the lock order of all that touch both.
            known = await repository.lock_of_feed(tx, [draft.feed_code for draft in lines.routes])
            calls = await repository.calls(tx, [route.id for route in known.values()])
            from_feed = await self._stations.take_from_feed(tx, actor, lines.stations)
            created: dict[RouteId, tuple[Route, list[StationId]]] = {}
            # Lists go by id, and so in the order of the feed.
            ids = iter(sorted(RouteId.new() for _ in lines.routes))
            changes: list[_Change] = []
            notes = list(lines.notes)
            for draft in lines.routes:
                station_ids = _in_service(draft, from_feed)
                if len(station_ids) < STATIONS_MIN:
                    notes.append(f"{draft.feed_code} has too few stations in service: left as it is")
                elif draft.feed_code in known:
                    before = known[draft.feed_code]
                    changes.append(_Change(before, _told(before, draft), calls[before.id], station_ids))
                else:
                    route = _made(next(ids), draft)
                    created[route.id] = route, station_ids
            changed = [_with_version(change) for change in changes if change.is_change]
            await _write(tx, actor, created, changed)
        return Imported(
            stations=len(lines.stations),
            stations_created=from_feed.created,
            stations_changed=from_feed.changed,
            routes=len(lines.routes),
            routes_created=len(created),
            routes_changed=len(changed),
            notes=tuple(notes),
        )


async def _write(tx: Tx, actor: Actor, created: dict[RouteId, tuple[Route, list[StationId]]], changed: list[_Change]) -> None:
    moved = {change.after.id: change for change in changed if change.stations_before != change.stations_after}
    await repository.insert(tx, [route for route, _ in created.values()])
    await repository.save(tx, [change.after for change in changed])
    await repository.put_stations(
        tx,
        {route_id: station_ids for route_id, (_, station_ids) in created.items()}
        | {route_id: change.stations_after for route_id, change in moved.items()},
    )
    await record_created(tx, actor, created)
    await record_changed(
        tx,
        actor,
        [(change.before, change.after) for change in changed],
        {route_id: (change.stations_before, change.stations_after) for route_id, change in moved.items()},
    )


def _in_service(draft: RouteDraft, from_feed: FromFeed) -> list[StationId]:
    stations = [from_feed.stations[code] for code in draft.station_codes]
    return [station.id for station in stations if station.is_active]


def _made(route_id: RouteId, draft: RouteDraft) -> Route:
    return Route(
        id=route_id,
        name_ar=draft.name_ar,
        name_en=draft.name_en,
        code=draft.code,
        base_fare=draft.fare.minor,
        currency=draft.fare.currency,
        usual_seats=draft.usual_seats,
        is_active=True,
        feed_code=draft.feed_code,
        version=1,
    )


def _told(route: Route, draft: RouteDraft) -> Route:
    """The route after what a feed tells of it."""
    fare = draft.fare if draft.is_own_fare else route.fare
    return msgspec.structs.replace(
        route,
        name_ar=draft.name_ar or route.name_ar,
        name_en=draft.name_en or route.name_en,
        code=draft.code or route.code,
        base_fare=fare.minor,
        currency=fare.currency,
        usual_seats=draft.usual_seats or route.usual_seats,
    )


def _with_version(change: _Change) -> _Change:
    return msgspec.structs.replace(change, after=msgspec.structs.replace(change.after, version=change.before.version + 1))
