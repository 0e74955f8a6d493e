"""A whole feed, read and checked."""

import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from holdfast.common.places import LATITUDE_MAX, LONGITUDE_MAX
from holdfast.routes.gtfs.fares import Fares, read_fares
from holdfast.routes.gtfs.faults import Faults
from holdfast.routes.gtfs.source import Source
from holdfast.routes.gtfs.table import Progress, Reading
from holdfast.routes.gtfs.words import Words, read_words
from holdfast.stations.models import is_zone

REQUIRED = ("agency.txt", "stops.txt", "routes.txt", "trips.txt", "stop_times.txt")
OPTIONAL = (
    "feed_info.txt",
    "frequencies.txt",
    "translations.txt",
    "fare_attributes.txt",
    "fare_rules.txt",
    "fare_products.txt",
    "fare_leg_rules.txt",
    "route_networks.txt",
    "stop_areas.txt",
)

STOP, STATION = 0, 1
_PLACED = (STOP, STATION, 2)
"""Kinds of stops (``location_type``) that must say where they are: also entrances, which are 2."""
_KIND_MAX = 4
_ROUTE_TYPE_MAX = 1_799
_NAME_LENGTH_MAX = 60


class Agency(Struct, frozen=True):
    id: str
    zone: str


class Stop(Struct, frozen=True):
    """``zone`` is a time zone, empty for the agency's; fares are counted by ``fare_zone``. Kinds that are not placed lie at 0, 0."""

    id: str
    name: str
    latitude: float
    longitude: float
    kind: int
    parent_id: str
    zone: str
    fare_zone: str
    line: int


class FeedRoute(Struct, frozen=True):
    id: str
    agency_id: str
    short_name: str
    kind: int
    network_id: str


class Trip(Struct, frozen=True):
    """``runs`` is how often it runs in a day, by ``frequencies.txt``; 1 without."""

    id: str
    route_id: str
    direction: int
    calls: tuple[str, ...]
    runs: int


class Feed(Struct, frozen=True):
    """Everything of a feed that matters here, by id. ``name`` tells it from other feeds; ids of trips are sorted."""

    name: str
    zone: str
    agencies: Mapping[str, Agency]
    stops: Mapping[str, Stop]
    routes: Mapping[str, FeedRoute]
    trips: Mapping[str, Trip]
    fares: Fares
    words: Words


def files_size(source: Source) -> int:
    """Bytes of all files that will be read."""
    return sum(source.size(name) or 0 for name in REQUIRED + OPTIONAL)


def read_feed(source: Source, progress: Progress, *, name: str | None = None) -> Feed:
    """Read a feed to its end. Raises FeedFaulty with everything that is wrong with it.

    ``name`` tells it from other feeds; without one it is made from the publisher's name.
    """
    faults = Faults()
    reading = Reading(source, faults, progress)
    for file in REQUIRED:
        if not reading.has(file):
            faults.note(file, 0, "the file is missing")
    faults.refuse_if_any()
    agencies, first_agency_name = _read_agencies(reading)
    stops = _read_stops(reading)
    routes = _read_routes(reading, agencies)
    trips = _read_trips(reading, routes, stops)
    fares = read_fares(reading, routes, agencies)
    words = read_words(reading)
    called = name or _publisher(reading) or first_agency_name
    faults.refuse_if_any()
    zone = next((agency.zone for agency in agencies.values()), "")
    return Feed(feed_name(called), zone, agencies, stops, routes, trips, fares, words)


def feed_name(text: str) -> str:
    """``Transport for Cairo`` becomes ``transport-for-cairo``."""
    return "-".join(re.findall(r"\w+", text.lower()))[:_NAME_LENGTH_MAX] or "feed"


def _read_agencies(reading: Reading) -> tuple[dict[str, Agency], str]:
    """The agencies, and the name of the first."""
    agencies: dict[str, Agency] = {}
    first = ""
    for row in reading.rows("agency.txt", ["agency_name", "agency_timezone"]):
        agency_id, name, zone = row.text("agency_id"), row.needed("agency_name"), row.needed("agency_timezone")
        if zone is not None and not is_zone(zone):
            row.fault(f'agency_timezone "{zone}" is no IANA time zone')
        if agency_id in agencies:
            row.fault(
                f"there is another agency {agency_id} above" if agency_id else "agency_id is needed, since there are several agencies"
            )
        agencies[agency_id] = Agency(agency_id, zone or "")
        first = first or name or ""
    return agencies, first


def _read_stops(reading: Reading) -> dict[str, Stop]:
    stops: dict[str, Stop] = {}
    parents: list[tuple[int, str]] = []
    for row in reading.rows("stops.txt", ["stop_id", "stop_name", "stop_lat", "stop_lon"]):
        stop_id = row.needed("stop_id")
        kind = row.whole("location_type", STOP, most=_KIND_MAX)
        placed = kind in _PLACED
        name = row.needed("stop_name") if placed else row.text("stop_name")
        latitude = row.number("stop_lat", -LATITUDE_MAX, LATITUDE_MAX) if placed else 0.0
        longitude = row.number("stop_lon", -LONGITUDE_MAX, LONGITUDE_MAX) if placed else 0.0
        if placed and latitude == 0 and longitude == 0:
            row.fault("the stop lies at 0,0, which is in the sea")
        zone, parent = row.text("stop_timezone"), row.text("parent_station")
        if zone and not is_zone(zone):
            row.fault(f'stop_timezone "{zone}" is no IANA time zone')
        if stop_id in stops:
            row.fault(f"there is another stop {stop_id} above")
        elif stop_id is not None:
            stops[stop_id] = Stop(
                stop_id, name or "", latitude or 0.0, longitude or 0.0, kind or STOP, parent, zone, row.text("zone_id"), row.line
            )
            if parent:
                parents.append((row.line, parent))
    for line, parent in parents:
        if parent not in stops:
            reading.faults.note("stops.txt", line, f"there is no stop {parent} that could be its parent_station")
    return stops


def _read_routes(reading: Reading, agencies: Mapping[str, Agency]) -> dict[str, FeedRoute]:
    routes: dict[str, FeedRoute] = {}
    only_agency = next(iter(agencies)) if len(agencies) == 1 else None
    for row in reading.rows("routes.txt", ["route_id", "route_type"]):
        route_id, kind, agency_id = row.needed("route_id"), row.whole("route_type", most=_ROUTE_TYPE_MAX), row.text("agency_id")
        if not agency_id and only_agency is not None:
            agency_id = only_agency
        if agency_id not in agencies:
            row.fault(f"there is no agency {agency_id}" if agency_id else "agency_id is empty, and there are several agencies")
        if not row.text("route_short_name") and not row.text("route_long_name"):
            row.fault("there is neither a route_short_name nor a route_long_name")
        if route_id in routes:
            row.fault(f"there is another route {route_id} above")
        elif route_id is not None:
            routes[route_id] = FeedRoute(route_id, agency_id, row.text("route_short_name"), kind or 0, row.text("network_id"))
    return routes


class _NewTrip(Struct):
    route_id: str
    direction: int
    calls: dict[int, str]
    runs: int


def _read_trips(reading: Reading, routes: Collection[str], stops: Mapping[str, Stop]) -> dict[str, Trip]:
    trips: dict[str, _NewTrip] = {}
    for row in reading.rows("trips.txt", ["route_id", "trip_id"]):
        trip_id, route_id = row.needed("trip_id"), row.needed("route_id")
        direction = row.whole("direction_id", 0, most=1)
        if route_id is not None and route_id not in routes:
            row.fault(f"there is no route {route_id}")
        if trip_id in trips:
            row.fault(f"there is another trip {trip_id} above")
        elif trip_id is not None:
            trips[trip_id] = _NewTrip(route_id or "", direction or 0, {}, 0)
    _read_calls(reading, trips, stops)
    _read_frequencies(reading, trips)
    return {
        trip_id: Trip(trip_id, trip.route_id, trip.direction, tuple(trip.calls[place] for place in sorted(trip.calls)), trip.runs or 1)
        for trip_id, trip in sorted(trips.items())
    }


def _read_calls(reading: Reading, trips: Mapping[str, _NewTrip], stops: Mapping[str, Stop]) -> None:
    for row in reading.rows("stop_times.txt", ["trip_id", "stop_sequence"]):
        trip_id, place = row.needed("trip_id"), row.whole("stop_sequence")
        row.time("arrival_time", needed=False)
        row.time("departure_time", needed=False)
        if row.text("location_group_id") or row.text("location_id"):
            # On demand somewhere in an area: no station of ours.
            continue
        stop_id = row.needed("stop_id")
        trip = trips.get(trip_id or "")
        if trip_id is not None and trip is None:
            row.fault(f"there is no trip {trip_id}")
        stop = stops.get(stop_id or "")
        if stop_id is not None and stop is None:
            row.fault(f"there is no stop {stop_id}")
        elif stop is not None and stop.kind not in (STOP, STATION):
            row.fault(f"{stop_id} is an entrance or a part of a station, where no vehicle stops")
        if trip is None or place is None or stop is None:
            continue
        if place in trip.calls:
            row.fault(f"trip {trip_id} has another stop_sequence {place} above")
        trip.calls[place] = stop.id


def _read_frequencies(reading: Reading, trips: Mapping[str, _NewTrip]) -> None:
    if not reading.has("frequencies.txt"):
        return
    for row in reading.rows("frequencies.txt", ["trip_id", "start_time", "end_time", "headway_secs"]):
        trip_id, start, end, headway = row.needed("trip_id"), row.time("start_time"), row.time("end_time"), row.whole("headway_secs")
        trip = trips.get(trip_id or "")
        if trip_id is not None and trip is None:
            row.fault(f"there is no trip {trip_id}")
        if start is not None and end is not None and end <= start:
            row.fault("end_time is not after start_time (half past one at night is 25:30:00)")
        elif headway == 0:
            row.fault("headway_secs is 0")
        elif trip is not None and start is not None and end is not None and headway is not None:
            trip.runs += -(-(end - start) // headway)


def _publisher(reading: Reading) -> str:
    if not reading.has("feed_info.txt"):
        return ""
    names = [row.text("feed_publisher_name") for row in reading.rows("feed_info.txt", ["feed_publisher_name"])]
    return names[0] if names else ""
