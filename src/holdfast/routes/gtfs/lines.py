"""Which lines a feed has: one for each route and direction, along the stations where it usually calls."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from holdfast.common.money import Amount
from holdfast.routes.gtfs.fares import Ride
from holdfast.routes.gtfs.feed import STATION, Feed, FeedRoute, Stop, Trip
from holdfast.routes.models import CODE_LENGTH_MAX, STATIONS_MAX, STATIONS_MIN
from holdfast.stations import StationDraft
from holdfast.stations.models import DEFAULT_ZONE

SHOWN_MAX = 10


class WantedUnknown(Exception):
    """What is wanted is not in the feed; the message says what is."""


class Wanted(Struct, frozen=True):
    """Which part of a feed to take, and what it does not say itself. Empty collections are all agencies, and all types."""

    agencies: Collection[str] = ()
    route_types: Collection[int] = ()
    default_fare: Amount | None = None
    seats: Mapping[str, int] = {}
    """By agency."""


class RouteDraft(Struct, frozen=True):
    """A route as a feed tells it. A fare that is not the feed's own is only for a route that is new."""

    feed_code: str
    name_ar: str | None
    name_en: str | None
    code: str | None
    fare: Amount
    is_own_fare: bool
    usual_seats: int | None
    station_codes: tuple[str, ...]


class Lines(Struct, frozen=True):
    """What is to be put in, and in words what was left out."""

    feed_name: str
    stations: tuple[StationDraft, ...]
    routes: tuple[RouteDraft, ...]
    notes: tuple[str, ...]


def choose_lines(feed: Feed, wanted: Wanted) -> Lines:
    """Raises WantedUnknown, also where a route has no fare in the feed and there is no default."""
    _check_known(feed, wanted)
    chosen = {
        route.id
        for route in feed.routes.values()
        if (not wanted.agencies or route.agency_id in wanted.agencies) and (not wanted.route_types or route.kind in wanted.route_types)
    }
    by_line: dict[tuple[str, int], list[Trip]] = {}
    for trip in feed.trips.values():
        if trip.route_id in chosen:
            by_line.setdefault((trip.route_id, trip.direction), []).append(trip)
    notes = [f"route {route_id} has no trips: left out" for route_id in sorted(chosen - {route_id for route_id, _ in by_line})]
    drafts = []
    used: dict[str, Stop] = {}
    without_fare = []
    for (route_id, direction), trips in sorted(by_line.items()):
        route = feed.routes[route_id]
        trip, stations = _usual(feed, trips)
        if not STATIONS_MIN <= len(stations) <= STATIONS_MAX:
            notes.append(f"route {route_id}, direction {direction} calls at {len(stations)} stations: left out")
            continue
        own_fare = _fare(feed, route, trip)
        fare = own_fare or wanted.default_fare
        if fare is None:
            without_fare.append(route_id)
            continue
        used |= {station.id: station for station in stations}
        drafts.append(_draft(feed, wanted, route, direction, stations, fare, is_own_fare=own_fare is not None))
    if without_fare:
        raise WantedUnknown(
            f"{_some(without_fare)} have no fare in the feed. Say what a seat costs there, such as --default-fare 5.00, "
            "or choose others with --agency and --route-type."
        )
    if not drafts:
        raise WantedUnknown("No route of the feed can be taken: " + ("; ".join(notes[:SHOWN_MAX]) or "it has none like these") + ".")
    return Lines(feed.name, tuple(_station(feed, stop) for stop in used.values()), tuple(drafts), tuple(notes))


def _check_known(feed: Feed, wanted: Wanted) -> None:
    for what, asked, there in (
        ("agency", {*wanted.agencies, *wanted.seats}, set(feed.agencies)),
        ("route type", set(map(str, wanted.route_types)), {str(route.kind) for route in feed.routes.values()}),
    ):
        if unknown := asked - there:
            raise WantedUnknown(f"The feed has no {what} {', '.join(sorted(unknown))}. It has: {', '.join(sorted(there))}.")


def _usual(feed: Feed, trips: Sequence[Trip]) -> tuple[Trip, tuple[Stop, ...]]:
    """The way that is gone most often in a day; of those equal the longest; of those the first by id. With a trip that goes it."""
    runs: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], Trip] = {}
    for trip in trips:
        way = _way(feed, trip)
        runs[way] += trip.runs
        first.setdefault(way, trip)
    # max() answers the first of equals, and trips come sorted by id.
    best = max(runs, key=lambda way: (runs[way], len(way)))
    return first[best], tuple(feed.stops[stop_id] for stop_id in best)


def _way(feed: Feed, trip: Trip) -> tuple[str, ...]:
    """The stations of a trip in order. Platforms count as their station; where a trip comes back to one, its first call counts."""
    return tuple(dict.fromkeys(_place(feed, stop_id) for stop_id in trip.calls))


def _place(feed: Feed, stop_id: str) -> str:
    parent = feed.stops.get(feed.stops[stop_id].parent_id)
    return parent.id if parent is not None and parent.kind == STATION else stop_id


def _fare(feed: Feed, route: FeedRoute, trip: Trip) -> Amount | None:
    first, last = trip.calls[0], trip.calls[-1]
    areas = feed.fares.areas
    return feed.fares.of(
        Ride(
            route_id=route.id,
            agency_id=route.agency_id,
            network_ids={*feed.fares.networks.get(route.id, ()), *([route.network_id] if route.network_id else [])},
            first_zone=feed.stops[first].fare_zone,
            last_zone=feed.stops[last].fare_zone,
            first_areas={*areas.get(first, ()), *areas.get(_place(feed, first), ())},
            last_areas={*areas.get(last, ()), *areas.get(_place(feed, last), ())},
        )
    )


def _draft(
    feed: Feed, wanted: Wanted, route: FeedRoute, direction: int, stations: Sequence[Stop], fare: Amount, *, is_own_fare: bool
) -> RouteDraft:
    """Named after its ends: a route's own name is the same for both directions, and often that of one."""
    arabic, english = zip(*(feed.words.names("stop_name", stop.id, stop.name) for stop in (stations[0], stations[-1])), strict=True)
    shown = [ar or en for ar, en in zip(arabic, english, strict=True)]
    return RouteDraft(
        feed_code=f"{feed.name}:{route.id}:{direction}",
        name_ar=_between(arabic),
        name_en=_between(english) or (None if all(arabic) else _between(shown)),
        code=route.short_name[:CODE_LENGTH_MAX] or None,
        fare=fare,
        is_own_fare=is_own_fare,
        usual_seats=wanted.seats.get(route.agency_id),
        station_codes=tuple(_code(feed, stop) for stop in stations),
    )


def _between(names: Sequence[str | None]) -> str | None:
    return " – ".join(name for name in names if name) if all(names) else None


def _station(feed: Feed, stop: Stop) -> StationDraft:
    name_ar, name_en = feed.words.names("stop_name", stop.id, stop.name)
    return StationDraft(
        feed_code=_code(feed, stop),
        name_ar=name_ar,
        name_en=name_en,
        latitude=stop.latitude,
        longitude=stop.longitude,
        zone=stop.zone or feed.zone or DEFAULT_ZONE,
    )


def _code(feed: Feed, stop: Stop) -> str:
    return f"{feed.name}:{stop.id}"


def _some(route_ids: Sequence[str]) -> str:
    names = sorted(set(route_ids))
    more = f" and {len(names) - SHOWN_MAX} more" if len(names) > SHOWN_MAX else ""
    return f"Routes {', '.join(names[:SHOWN_MAX])}{more}"
