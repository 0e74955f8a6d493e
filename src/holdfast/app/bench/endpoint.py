"""What ``holdfast bench`` compares refusals with: a route that signs in, validates, and does nothing. There only where it is asked for."""

from litestar import Controller, Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from holdfast.bookings.dto import HoldSeats
from holdfast.common.actor import Actor
from holdfast.common.guards import EXPRESS, requires
from holdfast.idempotency import IdempotencyKey
from holdfast.sessions.models import SessionId

PATH = "/bookings/nothing"


class NothingView(Struct, frozen=True, rename="camel"):
    """What was asked, and nothing done about it."""

    session_id: str
    seats_count: int


class BaselineController(Controller):
    path = PATH
    tags = ("Bookings",)

    @post("/", guards=[requires()], opt=EXPRESS)
    async def nothing(self, data: JSONBody[HoldSeats], actor: NamedDependency[Actor], key: NamedDependency[IdempotencyKey]) -> NothingView:
        """Read a request for seats as it is read to hold them, and hold none."""
        return NothingView(session_id=str(SessionId.of(data.session_id)), seats_count=data.seats_count)


def router() -> Router:
    return Router(path="/", route_handlers=[BaselineController])
