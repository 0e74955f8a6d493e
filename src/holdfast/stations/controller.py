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
from holdfast.stations.dto import ChangedStation, NewStation, StationView
from holdfast.stations.errors import NameMissing, StationInUse, StationUnknown
from holdfast.stations.models import StationId
from holdfast.stations.service import StationSearch, StationService


class StationController(Controller):
    path = "/stations"
    tags = ("Stations",)

    @get("/", opt=PUBLIC)
    async def list_stations(
        self,
        service: NamedDependency[StationService],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        near: Annotated[str | None, QueryParameter(max_length=60, description="latitude,longitude: the nearest stations first.")] = None,
        radius_m: Annotated[int, QueryParameter(name="radiusM", ge=1, le=50_000, description="Metres around `near`.")] = 3000,
        words: Annotated[str | None, QueryParameter(name="q", max_length=100, description="Part of a name, in any language.")] = None,
    ) -> PageView[StationView]:
        """Stations in service."""
        search = StationSearch(near=read_near(near) if near is not None else None, radius_m=radius_m, words=words)
        return PageView.of(await service.find(search, page), page, lambda station: StationView.of(station, language))

    @get("/{station_id:str}", opt=PUBLIC, responses=refusals(StationUnknown))
    async def show(
        self, station_id: str, service: NamedDependency[StationService], language: NamedDependency[Language]
    ) -> Response[StationView]:
        """One station."""
        station = await service.get(StationId.parse(station_id))
        return tagged(StationView.of(station, language), station.version)

    @post("/", guards=[requires(Role.ADMIN)], responses=refusals(NameMissing, KeyUsedForAnother, StillRunning))
    async def create(
        self,
        data: JSONBody[NewStation],
        service: NamedDependency[StationService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
        language: NamedDependency[Language],
    ) -> Response[StationView]:
        """Make a station."""
        station = await service.create(actor, optional_key, data.station())
        return tagged(StationView.of(station, language), station.version)

    @patch(
        "/{station_id:str}",
        guards=[requires(Role.ADMIN)],
        responses=refusals(StationUnknown, StationInUse, Outdated, NameMissing, KeyUsedForAnother, StillRunning),
    )
    async def change(
        self,
        station_id: str,
        data: JSONBody[ChangedStation],
        service: NamedDependency[StationService],
        actor: NamedDependency[Actor],
        version: NamedDependency[int],
        optional_key: NamedDependency[IdempotencyKey | None],
        language: NamedDependency[Language],
    ) -> Response[StationView]:
        """Change a station, or take it out of service."""
        station = await service.change(actor, optional_key, StationId.parse(station_id), version, data.changes())
        return tagged(StationView.of(station, language), station.version)


def router(service: StationService) -> Router:
    return Router(path="/", route_handlers=[StationController], dependencies={"service": provided(service)})
