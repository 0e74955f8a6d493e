"""Routes put together."""

from dataclasses import dataclass

from litestar import Router

from holdfast.cache import Cache
from holdfast.database import Database, Tx
from holdfast.routes import repository
from holdfast.routes.controller import router
from holdfast.routes.handlers import ForgetRoutes
from holdfast.routes.service import RouteService
from holdfast.stations import StationId, StationRegistry


@dataclass(frozen=True)
class RoutesModule:
    service: RouteService
    router: Router
    follower: ForgetRoutes


class _CallingRoutes:
    """Tells stations which routes need them."""

    async def routes_in_service(self, tx: Tx, station_id: StationId) -> int:
        return await repository.routes_in_service(tx, station_id)


def build(database: Database, cache: Cache, stations: StationRegistry) -> RoutesModule:
    stations.use = _CallingRoutes()
    service = RouteService(database, cache, stations)
    return RoutesModule(service, router(service), ForgetRoutes(cache))
