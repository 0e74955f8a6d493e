"""Sessions over HTTP."""

from typing import Annotated

from litestar import Controller, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import PUBLIC, provided, refusals, requires, tagged
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest, PageView
from holdfast.common.places import read_near
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.routes.models import RouteId
from holdfast.sessions.dto import ActiveSessionView, CancelSession, SessionView, StartSession
from holdfast.sessions.errors import (
    CurrencyNotSold,
    DriverNotApproved,
    SessionCancelledAlready,
    SessionClosedAlready,
    SessionRunning,
    SessionUnknown,
    StationNotOnRoute,
)
from holdfast.sessions.models import SessionId
from holdfast.sessions.repository import Search
from holdfast.sessions.service import SessionService
from holdfast.stations.models import StationId

_ENDED = (SessionUnknown, SessionClosedAlready, SessionCancelledAlready, KeyUsedForAnother, StillRunning)


class SessionController(Controller):
    path = "/sessions"
    tags = ("Sessions",)

    @post(
        "/start",
        guards=[requires(Role.DRIVER)],
        responses=refusals(DriverNotApproved, StationNotOnRoute, CurrencyNotSold, SessionRunning, KeyUsedForAnother, StillRunning),
    )
    async def start(
        self,
        data: JSONBody[StartSession],
        service: NamedDependency[SessionService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> SessionView:
        """Open your vehicle for passengers, at a station of a route."""
        return SessionView.of(await service.start(actor, optional_key, data.route_id, data.station_id, data.total_seats))

    @get("/my", guards=[requires(Role.DRIVER)])
    async def mine(
        self, service: NamedDependency[SessionService], actor: NamedDependency[Actor], page: NamedDependency[PageRequest]
    ) -> PageView[SessionView]:
        """Your sessions, newest first."""
        return PageView.of(await service.of_driver(actor, page), page, SessionView.of)

    @get("/active", opt=PUBLIC)
    async def active(
        self,
        service: NamedDependency[SessionService],
        page: NamedDependency[PageRequest],
        language: NamedDependency[Language],
        route_id: Annotated[str | None, Parameter(query="routeId", description="Only sessions of this route.")] = None,
        station_id: Annotated[str | None, Parameter(query="stationId", description="Only sessions at this station.")] = None,
        near: Annotated[str | None, Parameter(description="latitude,longitude in degrees.")] = None,
        radius_m: Annotated[int, Parameter(query="radiusM", ge=1, le=50_000, description="Metres around `near`.")] = 3000,
        with_seats: Annotated[bool, Parameter(query="withSeats", description="Only sessions with free seats.")] = False,
    ) -> PageView[ActiveSessionView]:
        """Sessions that are open now, the longest waiting first, with their free seats."""
        place = read_near(near) if near is not None else None
        search = Search(
            route_id=RouteId.parse(route_id) if route_id else None,
            station_id=StationId.parse(station_id) if station_id else None,
            near=(place.latitude, place.longitude) if place else None,
            radius_m=radius_m,
            with_seats=with_seats,
        )
        return PageView.of(await service.active(search, page), page, lambda session: ActiveSessionView.of(session, language))

    @get("/{session_id:str}", opt=PUBLIC, responses=refusals(SessionUnknown))
    async def show(self, session_id: str, service: NamedDependency[SessionService]) -> Response[SessionView]:
        """One session with its free seats."""
        session = await service.get(SessionId.parse(session_id))
        return tagged(SessionView.of(session), session.version)

    @post("/{session_id:str}/close", status_code=200, guards=[requires(Role.DRIVER)], responses=refusals(*_ENDED))
    async def close(
        self,
        session_id: str,
        service: NamedDependency[SessionService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
    ) -> SessionView:
        """You leave: nothing more is sold, and unpaid holds are given back."""
        return SessionView.of(await service.close(actor, optional_key, SessionId.parse(session_id)))

    @post("/{session_id:str}/cancel", status_code=200, guards=[requires(Role.DRIVER, Role.ADMIN)], responses=refusals(*_ENDED))
    async def cancel(
        self,
        session_id: str,
        service: NamedDependency[SessionService],
        actor: NamedDependency[Actor],
        optional_key: NamedDependency[IdempotencyKey | None],
        data: JSONBody[CancelSession | None] = None,
    ) -> SessionView:
        """Call the session off: every booking is cancelled and all of its money goes back."""
        return SessionView.of(await service.cancel(actor, optional_key, SessionId.parse(session_id), data.reason if data else None))


def router(service: SessionService) -> Router:
    return Router(path="/", route_handlers=[SessionController], dependencies={"service": provided(service)})
