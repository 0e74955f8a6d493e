"""Stations over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, patch, post
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
from holdfast.stations.dto import StationChanges, StationRequest, StationView
from holdfast.stations.errors import StationInUse, StationUnknown
from holdfast.stations.models import StationId
from holdfast.stations.repository import StationSearch
from holdfast.stations.service import StationService

RADIUS_MAX_M = 50_000

Near = Annotated[str | None, QueryParameter(description="latitude,longitude in degrees.", max_length=60)]
RadiusM = Annotated[int, QueryParameter(name="radiusM", ge=1, le=RADIUS_MAX_M, description="Metres around `near`.")]
Sought = Annotated[str | None, QueryParameter(name="q", min_length=1, max_length=100, description="A part of a name.")]
Active = Annotated[bool, QueryParameter(description="Those in service (true) or out of it (false).")]


class StationController(Controller):
    path = "/stations"
    tags = ("Stations",)

    @get("/", opt=PUBLIC)
    async def list_stations(
        self,
        service: NamedDependency[StationService],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        near: Near = None,
        radius_m: RadiusM = 3000,
        sought: Sought = None,
        active: Active = True,
    ) -> PageView[StationView]:
        """Stations; with `near` those around a place, the nearest first."""
        search = StationSearch(is_active=active, sought=sought, near=read_near(near) if near is not None else None, radius_m=radius_m)
        return PageView.of(await service.search(search, page), page, lambda station: StationView.of(station, language))

    @get("/{station_id:str}", opt=PUBLIC, responses=refusals(StationUnknown))
    async def show(
        self, station_id: str, service: NamedDependency[StationService], language: NamedDependency[Language]
    ) -> Response[StationView]:
        """One station."""
        station = await service.get(StationId.parse(station_id))
        return tagged(StationView.of(station, language), station.version)

    @post("/", guards=[requires(Role.ADMIN)], responses=refusals(KeyUsedForAnother, StillRunning))
    async def create(
        self,
        data: JSONBody[StationRequest],
        service: NamedDependency[StationService],
        actor: NamedDependency[Actor],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[StationView]:
        """Add a station."""
        station = await service.create(actor, optional_key, data)
        return tagged(StationView.of(station, language), station.version)

    @patch(
        "/{station_id:str}",
        guards=[requires(Role.ADMIN)],
        responses=refusals(StationUnknown, Outdated, StationInUse, KeyUsedForAnother, StillRunning),
    )
    async def change(
        self,
        station_id: str,
        data: JSONBody[StationChanges],
        service: NamedDependency[StationService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        language: NamedDependency[Language],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> Response[StationView]:
        """Rename or move a station, or take it out of service."""
        station = await service.change(actor, optional_key, StationId.parse(station_id), version, data)
        return tagged(StationView.of(station, language), station.version)


def router(service: StationService) -> Router:
    return Router(path="/", route_handlers=[StationController], dependencies={"service": provided(service)})
