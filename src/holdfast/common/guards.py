"""What a route says about itself: who may call it, how it refuses, which version it shows."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol, TypeVar

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi import ResponseSpec

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import NotAllowed, Refusal
from holdfast.common.views import Problem

T = TypeVar("T")

PUBLIC: Final[Mapping[str, object]] = {"public": True}
"""``opt=PUBLIC``: anyone may call this route, signed in or not. A route without it needs ``requires``."""

EXPRESS: Final[Mapping[str, object]] = {"express": True}
"""``opt=EXPRESS``: this route sells, and is answered without the framework's detours. It has no parameters but its body."""

CALLER: Final = "holdfast.caller"
"""Where the edge keeps, in the ASGI scope, who calls."""

PROBLEM_JSON: Final = "application/problem+json"


class Caller(Protocol):
    """Who calls, read from the access token at most once per request."""

    async def actor(self) -> Actor:
        """Raises NotSignedIn."""
        ...


class Guard(Protocol):
    """What ``requires`` gives: Litestar runs it before it reads anything else of the request."""

    roles: frozenset[Role]

    def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler, /) -> Awaitable[None]: ...


class _SignedIn:
    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = roles

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler, /) -> None:
        caller: Caller = connection.scope[CALLER]  # type: ignore[typeddict-item]
        actor = await caller.actor()
        if self.roles and actor.role not in self.roles:
            raise NotAllowed


def requires(*roles: Role) -> Guard:
    """Let in people who signed in with one of these roles; without roles, anyone who signed in."""
    return _SignedIn(frozenset(roles))


def provided(service: T) -> Provide:
    """One object for every request, injected by name."""

    def give() -> Any:
        return service

    return Provide(give, use_cache=True, sync_to_thread=False)


@dataclass
class RefusalSpec(ResponseSpec):
    """The refusals of one status, for the OpenAPI document."""

    classes: tuple[type[Refusal], ...] = ()


def refusals(*classes: type[Refusal]) -> dict[int, ResponseSpec]:
    """The ways in which a route says no, beyond those that every route has (not signed in, faults, too many requests...)."""
    by_status: defaultdict[int, list[type[Refusal]]] = defaultdict(list)
    for refusal in classes:
        by_status[refusal.status].append(refusal)
    return {
        status: RefusalSpec(
            data_container=Problem,
            generate_examples=False,
            description=HTTPStatus(status).phrase,
            media_type=PROBLEM_JSON,
            classes=tuple(found),
        )
        for status, found in by_status.items()
    }


def tagged(view: T, version: int) -> Response[T]:
    """An answer with the ETag that a PATCH sends back as If-Match."""
    return Response(view, headers={"ETag": etag(version)})


def etag(version: int) -> str:
    """The ETag of a version: a number in quotes."""
    return f'"{version}"'


Verify = Callable[[str], Awaitable[Actor]]
"""Who holds an access token. Raises NotSignedIn."""
