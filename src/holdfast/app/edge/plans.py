"""What each route reads of a request, looked up once at the start."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.enums import ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from msgspec import Struct

from holdfast.app.edge.bodies import BodyReader
from holdfast.app.edge.visits import Visit
from holdfast.common.guards import Guard
from holdfast.common.views import camel
from holdfast.common.wire import decode_hook

BODY_BYTES_MAX: Final = 64 * 1024

_KEY: Final = "holdfast.plan"


class TwoPaths(Exception):
    """One function answers at two paths, or under two methods: each needs a plan of its own."""


class Parameter(Struct, frozen=True):
    """A parameter of the path, the query or a header, by its name in the code."""

    name: str
    source: ParamType
    annotation: Any
    is_required: bool
    is_repeatable: bool

    @property
    def shown_name(self) -> str:
        """Parameters of a path have Python's names in the code and JSON's in the OpenAPI document."""
        return camel(self.name) if self.source is ParamType.PATH else self.name


class Plan:
    """The body, the parameters and the guards of one route.

    ``single`` are the parameters of the query that come once, ``not_null`` those of them for which "null" is no value. ``is_strict``:
    parameters that nobody declared are refused; pages do not mind what others add to their links.
    """

    __slots__ = ("annotation", "body", "bytes_max", "guards", "is_body_optional", "is_strict", "not_null", "parameters", "single")

    def __init__(
        self,
        annotation: Any,
        parameters: Sequence[Parameter],
        *,
        bytes_max: int,
        guards: Sequence[Guard],
        is_body_optional: bool,
        is_strict: bool,
    ) -> None:
        self.is_strict = is_strict
        self.annotation = annotation
        self.body = None if annotation is None else BodyReader(annotation)
        self.is_body_optional = is_body_optional
        self.bytes_max = bytes_max
        self.guards = guards
        self.parameters = parameters
        single = [found for found in parameters if found.source is ParamType.QUERY and not found.is_repeatable]
        self.single = frozenset(found.name for found in single)
        # Litestar would read "null" as nothing; but where a text is taken, it is a text.
        self.not_null = frozenset(found.name for found in single if not _takes_text(found.annotation))

    @classmethod
    def of(cls, handler: Any) -> "Plan":
        """The plan of a route that ``make_plans`` has seen."""
        plan: Plan = handler.opt[_KEY]
        return plan


class StrictRequest(Request[Any, Any, Any]):
    """A request whose ``data`` is decoded straight into its Struct."""

    async def body(self) -> bytes:
        return await Visit.of(self).body(Plan.of(self.scope["route_handler"]).bytes_max)

    async def json(self) -> Any:
        reader = Plan.of(self.scope["route_handler"]).body
        assert reader is not None
        return reader.read(await self.body(), Visit.of(self))


def make_plans(routes: Sequence[object]) -> None:
    """Look at what each route reads. Raises TwoPaths."""
    for route in routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                if _KEY in handler.opt:
                    raise TwoPaths(f"{handler} has more than one path; give each its own function")
                handler.opt[_KEY] = _plan(handler, model)
                # Litestar copies the handler for each guard of each request, and that is slow: ``admit`` asks them instead.
                handler.resolve_guards().clear()
                # And it would start a task for each of several dependencies, none of which waits for anything.
                model.dependency_batches = [{dependency} for batch in model.dependency_batches for dependency in batch]


def _plan(handler: HTTPRouteHandler, model: Any) -> Plan:
    annotations: dict[str, Any] = {}
    for provide in handler.resolve_dependencies().values():
        annotations |= provide.signature_model.__annotations__
    annotations |= handler.signature_model.__annotations__
    parameters = [
        Parameter(found.field_alias, found.param_type, annotations.get(found.field_name, str), found.is_required, found.is_sequence)
        for found in (*model.expected_query_params, *model.expected_path_params, *model.expected_header_params)
    ]
    body = handler.parsed_data_field
    return Plan(
        None if body is None else body.raw,
        parameters,
        bytes_max=handler.resolve_request_max_body_size() or BODY_BYTES_MAX,
        guards=[*handler.resolve_guards()],  # type: ignore[list-item]
        is_body_optional=body is not None and body.has_default,
        # A route that asks for the whole request reads it as it likes.
        is_strict=handler.resolve_include_in_schema() and "request" not in handler.parsed_fn_signature.parameters,
    )


def _takes_text(annotation: Any) -> bool:
    try:
        return bool(msgspec.convert("null", annotation, strict=False, dec_hook=decode_hook) == "null")
    except msgspec.ValidationError:
        return False
