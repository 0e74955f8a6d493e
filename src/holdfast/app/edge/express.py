"""The express lane: routes that sell, answered without Litestar's way through, which takes longer than selling does.

A route asks for it with ``opt=EXPRESS``. It is the same function with the same guards, body and dependencies; only what such a
route never has is left out: parameters in its path, a query, cookies. A request with a query takes the usual way and is refused there.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from holdfast.app.edge.answers import ENCODER, JSON, Answer
from holdfast.app.edge.asgi import Header, Scope
from holdfast.app.edge.plans import Plan
from holdfast.app.edge.refusals import BodyMissing
from holdfast.app.edge.visits import Visit
from holdfast.common.guards import Guard


class NotForExpress(Exception):
    """A route asks for the express lane and for something that there is not."""


@dataclass(frozen=True)
class Lane:
    """One route of the express lane. ``given`` is the same for every request; ``asked`` are the other dependencies, in their order."""

    path: str
    status: int
    plan: Plan
    handler: HTTPRouteHandler
    guards: Sequence[Guard]
    given: Mapping[str, object]
    asked: Mapping[str, Callable[[], Awaitable[object]]]

    async def answer(self, visit: Visit) -> Answer:
        """Raises what the route raises."""
        visit.scope["path_template"] = self.path
        visit.scope["route_handler"] = self.handler
        for guard in self.guards:
            await guard(cast(ASGIConnection[Any, Any, Any, Any], _Connection(visit.scope)), self.handler)
        wanted = dict(self.given)
        if self.plan.body is not None:
            sent = await visit.body(self.plan.bytes_max)
            if not sent:
                raise BodyMissing
            wanted["data"] = self.plan.body.read(sent, visit)
        for name, ask in self.asked.items():
            wanted[name] = await ask()
        given = await self.handler.fn(**wanted)
        tags: list[Header] = []
        if isinstance(given, Response):
            tags = [(name.lower().encode(), value.encode()) for name, value in given.headers.items()]
            given = given.content
        body = ENCODER.encode(given)
        return Answer(self.status, [JSON, (b"content-length", b"%d" % len(body)), *tags], body)


@dataclass(frozen=True)
class _Connection:
    """As much of a connection as a guard reads."""

    scope: Scope


def express_lanes(routes: Sequence[object]) -> dict[tuple[str, str], Lane]:
    """By method and path, the routes that ask for it, once their plans are made. Raises NotForExpress."""
    lanes: dict[tuple[str, str], Lane] = {}
    for route in routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.opt.get("express"):
                    lane = _lane(route, handler)
                    lanes.update({(method, route.path): lane for method in handler.http_methods})
    return lanes


def _lane(route: HTTPRoute, handler: HTTPRouteHandler) -> Lane:
    plan = Plan.of(handler)
    if plan.parameters or plan.is_body_optional:
        raise NotForExpress(f"{handler} has parameters, or a body that may be left out")
    dependencies = handler.resolve_dependencies()
    wanted = [name for name in handler.parsed_fn_signature.parameters if name != "data"]
    if missing := [name for name in wanted if name not in dependencies]:
        raise NotForExpress(f"{handler} asks for {missing}")
    return Lane(
        path=route.path,
        status=handler.status_code,
        plan=plan,
        handler=handler,
        guards=plan.guards,
        # ``provided`` gives one object to every request; what is asked anew is a coroutine of ``DEPENDENCIES``.
        given={name: dependencies[name].dependency() for name in wanted if dependencies[name].use_cache},
        asked={name: dependencies[name].dependency for name in sorted(wanted) if not dependencies[name].use_cache},
    )
