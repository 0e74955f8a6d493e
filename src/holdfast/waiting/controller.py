"""Waiting rooms of sessions over HTTP."""

from typing import Annotated

from litestar import Controller, Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, Parameter

from holdfast.common.actor import Actor, Role
from holdfast.common.guards import provided, refusals, requires
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionUnknown
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId
from holdfast.waiting.dto import PlaceView, WaitingRoomChange, WaitingRoomView
from holdfast.waiting.errors import NoPlace, NoWaitingRoom, TooManyJoins, WaitingRoomEnded
from holdfast.waiting.service import WaitingService


class WaitingRoomController(Controller):
    path = "/sessions/{session_id:str}/waiting-room"
    tags = ("Waiting rooms",)

    @put(
        guards=[requires(Role.DRIVER, Role.ADMIN)],
        responses=refusals(SessionUnknown, SessionClosedAlready, SessionCancelledAlready, NoWaitingRoom),
    )
    async def change(
        self,
        session_id: str,
        data: JSONBody[WaitingRoomChange],
        service: NamedDependency[WaitingService],
        actor: NamedDependency[Actor],
    ) -> WaitingRoomView:
        """Make people wait for their turn before they hold seats of your session, or let them in again."""
        changed = await service.put(
            actor, SESSION_KIND, SessionId.parse(session_id), is_open=data.is_open, per_second=data.per_second, inside_max=data.inside_max
        )
        return WaitingRoomView.of(changed)

    @post("/join", status_code=200, guards=[requires()], responses=refusals(NoWaitingRoom, WaitingRoomEnded, TooManyJoins))
    async def join(self, session_id: str, service: NamedDependency[WaitingService], actor: NamedDependency[Actor]) -> PlaceView:
        """Take a place in line. You have one, however often you ask and on whatever device; after your turn you may join again."""
        return PlaceView.of(await service.join(actor, SESSION_KIND, SessionId.parse(session_id)))

    @get(guards=[requires()], responses=refusals(NoWaitingRoom, NoPlace))
    async def show(
        self,
        session_id: str,
        service: NamedDependency[WaitingService],
        actor: NamedDependency[Actor],
        ticket: Annotated[
            str | None, Parameter(query="ticket", max_length=64, description="The ticket of your place: with it the answer is quicker.")
        ] = None,
    ) -> PlaceView:
        """Your place in line, and about how long it takes."""
        return PlaceView.of(await service.standing(actor, SESSION_KIND, SessionId.parse(session_id), ticket))


def router(service: WaitingService) -> Router:
    return Router(path="/", route_handlers=[WaitingRoomController], dependencies={"service": provided(service)})
