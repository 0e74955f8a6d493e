"""The ASGI application: the routes of every module behind one gate, with the same manners everywhere."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Protocol, cast

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.routes import HTTPRoute
from prometheus_client import CollectorRegistry

from holdfast.app.edge.answers import ViewResponse
from holdfast.app.edge.asgi import App
from holdfast.app.edge.documents import Documents
from holdfast.app.edge.express import express_lanes
from holdfast.app.edge.gate import Gate
from holdfast.app.edge.limiting import Tally
from holdfast.app.edge.metrics import RequestMetrics
from holdfast.app.edge.parameters import admit
from holdfast.app.edge.plans import BODY_BYTES_MAX, Plan, StrictRequest, make_plans
from holdfast.app.edge.problems import answer_problem
from holdfast.app.edge.refusals import IfMatchMissing
from holdfast.app.edge.visits import current
from holdfast.common.actor import Actor
from holdfast.common.guards import Verify
from holdfast.common.ids import Id
from holdfast.common.language import Language
from holdfast.common.money import JsonAmount
from holdfast.common.paging import LIMIT_DEFAULT, LIMIT_MAX, PageRequest, seal_cursors_with
from holdfast.common.wire import decode_hook
from holdfast.config import Settings
from holdfast.idempotency import IdempotencyKey
from holdfast.idempotency.errors import KeyMissing

BASE_PATH = "/api/v1"


class Program(Protocol):
    """What ``app/wiring.py`` built, as far as HTTP is concerned."""

    @property
    def settings(self) -> Settings: ...

    @property
    def routers(self) -> Sequence[Router]: ...

    @property
    def root_routers(self) -> Sequence[Router]: ...

    @property
    def verify(self) -> Verify: ...

    @property
    def lifespan(self) -> Sequence[Callable[[Litestar], AbstractAsyncContextManager[object]]]: ...

    @property
    def sockets(self) -> App | None: ...


class Unguarded(Exception):
    """A route does not say who may call it."""


def create_app(program: Program, registry: CollectorRegistry | None = None) -> Gate:
    """The ASGI application of a program. Raises Unguarded where a route does not say who may call it."""
    settings = program.settings
    seal_cursors_with(settings.token_key.get_secret_value())
    documents = Documents(BASE_PATH)
    app = Litestar(
        [Router(BASE_PATH, route_handlers=[*program.routers]), *program.root_routers, documents.router],
        dependencies=DEPENDENCIES,
        request_class=StrictRequest,
        response_class=ViewResponse,
        before_request=admit,
        exception_handlers={Exception: answer_problem},
        type_encoders={JsonAmount: JsonAmount.raw},
        type_decoders=[(_is_id, decode_hook)],
        request_max_body_size=BODY_BYTES_MAX,
        lifespan=[*program.lifespan],
        logging_config=None,
        openapi_config=None,
    )
    require_guards(app)
    make_plans(app.routes)
    documents.describe(app)
    return Gate(
        cast(App, app),
        verify=program.verify,
        metrics=RequestMetrics(registry or CollectorRegistry()),
        lanes=express_lanes(app.routes),
        sockets=program.sockets,
        tally=Tally(settings.requests_per_minute) if settings.requests_per_minute else None,
        trusted_proxies=settings.trusted_proxies,
        spares_loopback=settings.accepts_test_phones,
        is_https=settings.public_url.startswith("https://"),
    )


def require_guards(app: Litestar) -> None:
    """Every route says ``opt=PUBLIC`` or ``guards=[requires(...)]``, and never both. Raises Unguarded."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.http_methods != {"OPTIONS"} and is_public(handler) == bool(handler.resolve_guards()):
                    raise Unguarded(f"{sorted(handler.http_methods)} {route.path} must say either opt=PUBLIC or guards=[requires(...)]")


def is_public(handler: HTTPRouteHandler) -> bool:
    return bool(handler.opt.get("public"))


def _is_id(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, Id)


async def _actor() -> Actor:
    return await current.get().actor()


async def _maybe_actor() -> Actor | None:
    return await current.get().maybe_actor()


async def _optional_key() -> IdempotencyKey | None:
    visit = current.get()
    given = visit.headers.get(b"idempotency-key")
    if given is not None:
        body = await visit.body(Plan.of(visit.scope["route_handler"]).bytes_max)
        visit.key = IdempotencyKey.read(given.decode("latin-1"), visit.scope["method"], visit.scope["path"], body)
    return visit.key


async def _key() -> IdempotencyKey:
    found = await _optional_key()
    if found is None:
        raise KeyMissing
    return found


async def _page(
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many rows a page has at most.")] = LIMIT_DEFAULT,
    cursor: Annotated[
        str | None, QueryParameter(max_length=1000, description="The nextCursor of the page before; without it the list starts anew.")
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


async def _language() -> Language:
    return current.get().language


async def _address() -> str:
    return current.get().address


async def _device() -> str | None:
    return current.get().device


async def _version() -> int:
    found = current.get().version
    if found is None:
        raise IfMatchMissing
    return found


DEPENDENCIES = {
    "actor": Provide(_actor),
    "maybe_actor": Provide(_maybe_actor),
    "key": Provide(_key),
    "optional_key": Provide(_optional_key),
    "page": Provide(_page),
    "language": Provide(_language),
    "address": Provide(_address),
    "device": Provide(_device),
    "version": Provide(_version),
}
"""What every route may ask for by name."""
