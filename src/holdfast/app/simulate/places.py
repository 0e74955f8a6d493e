"""Where one can wait: routes with their stations, as the server lists them."""

from random import Random

from msgspec import Struct

from holdfast.app.faults import Fault
from holdfast.app.simulate.person import Person

ROUTES_MAX = 40


class Place(Struct, frozen=True):
    """A station of a route."""

    route_id: str
    station_id: str


class Places:
    """Where the drivers of this town wait."""

    def __init__(self, places: list[Place]) -> None:
        self._places = places

    def pick(self, rng: Random) -> Place:
        return rng.choice(self._places)


async def read_places(somebody: Person, rng: Random) -> Places:
    """Some routes in service and all of their stations but the last, where nobody boards. Raises Fault where there is none."""
    routes: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = await somebody.get(f"/routes?limit=100{f'&cursor={cursor}' if cursor else ''}", what="routes")
        routes += [route["id"] for route in page["data"] if route["isActive"]]
        cursor = page["pagination"]["nextCursor"]
    if not routes:
        raise Fault("This installation has no routes. Import some: ./holdfast import-gtfs DIR, or start it with `up --demo`.")
    places: list[Place] = []
    for route_id in rng.sample(sorted(routes), min(ROUTES_MAX, len(routes))):
        route = await somebody.get(f"/routes/{route_id}", what="routes")
        places += [Place(route_id, station["id"]) for station in route["stations"][:-1] if station["isActive"]]
    return Places(places)
