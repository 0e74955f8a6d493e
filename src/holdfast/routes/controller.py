"""Routes over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Outdated
from holdfast.common.guards import PUBLIC, provided, refusals, requires, tagged
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest, PageView
from holdfast.common.places import read_near
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.routes.dto import RouteChanges, RouteRequest, RouteStations, RouteView, RouteWithStationsView
from holdfast.routes.errors import RouteTooShort, RouteUnknown, StationOutOfService
from holdfast.routes.models import RouteId
from holdfast.routes.repository import RouteSearch
from holdfast.routes.service import RouteService
from holdfast.stations import StationId
from holdfast.stations.controller import Active, Near, RadiusM, Sought
from holdfast.stations.errors import StationUnknown

_CHANGED = (RouteUnknown, Outdated, StationOutOfService, KeyUsedForAnother, StillRunning)


class RouteController(Controller):
    path = "/routes"
    tags = ("Routes",)

    @get("/", opt=PUBLIC)
    async def list_routes(
        self,
        service: NamedDependency[RouteService],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        station_id: Annotated[str | None, QueryParameter(name="station", description="Only routes that call at this station.")] = None,
        near: Near = None,
        radius_m: RadiusM = 3000,
        sought: Sought = None,
        active: Active = True,
    ) -> PageView[RouteView]:
        """Routes; with `near` those that call near a place, the nearest first."""
        search = RouteSearch(
            is_active=active,
            sought=sought,
            station_id=StationId.parse(station_id) if station_id is not None else None,
            near=read_near(near) if near is not None else None,
            radius_m=radius_m,
        )
        return PageView.of(await service.search(search, page), page, lambda route: RouteView.of(route, language))

    @get("/{route_id:str}", opt=PUBLIC, responses=refusals(RouteUnknown))
    async def show(
        self, route_id: str, service: NamedDependency[RouteService], language: NamedDependency[Language]
    ) -> Response[RouteWithStationsView]:
        """One route with its stations, in the order of the ride."""
        found = await service.get(RouteId.parse(route_id))
        return tagged(RouteWithStationsView.of(found, language), found.route.version)

    @post(
        "/",
        guards=[requires(Role.ADMIN)],
        responses=refusals(StationUnknown, RouteTooShort, StationOutOfService, KeyUsedForAnother, StillRunning),
    )
    async def create(
        self,
        data: JSONBody[RouteRequest],
        service: NamedDependency[RouteService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[RouteWithStationsView]:
        """Add a route."""
        created = await service.create(actor, optional_key, data)
        return tagged(RouteWithStationsView.of(created, language), created.route.version)

    @patch("/{route_id:str}", guards=[requires(Role.ADMIN)], responses=refusals(*_CHANGED, RouteTooShort))
    async def change(
        self,
        route_id: str,
        data: JSONBody[RouteChanges],
        service: NamedDependency[RouteService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[RouteWithStationsView]:
        """Rename a route, change its fare, or take it in or out of service."""
        changed = await service.change(actor, optional_key, RouteId.parse(route_id), version, data)
        return tagged(RouteWithStationsView.of(changed, language), changed.route.version)

    @put("/{route_id:str}/stations", guards=[requires(Role.ADMIN)], responses=refusals(*_CHANGED, StationUnknown))
    async def put_stations(
        self,
        route_id: str,
        data: JSONBody[RouteStations],
        service: NamedDependency[RouteService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[RouteWithStationsView]:
        """Say at which stations a route calls, in the order of the ride."""
        changed = await service.put_stations(actor, optional_key, RouteId.parse(route_id), version, data.station_ids)
        return tagged(RouteWithStationsView.of(changed, language), changed.route.version)


def router(service: RouteService) -> Router:
    return Router(path="/", route_handlers=[RouteController], dependencies={"service": provided(service)})
