"""Letting a request in, and what can be wrong with the parameters of its path and its query."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Request, Response
from litestar.enums import ParamType
from litestar.exceptions import MethodNotAllowedException, ValidationException
from litestar.utils import normalize_path

from holdfast.app.edge.faults import BAD_CHARACTERS, NEEDED, UNPRINTABLE, said, unknown_fault
from holdfast.app.edge.plans import Plan
from holdfast.app.edge.refusals import BodyMissing
from holdfast.app.edge.visits import Visit
from holdfast.common.errors import Invalid, Refusal
from holdfast.common.ids import MalformedId
from holdfast.common.views import camel
from holdfast.common.wire import decode_hook
from holdfast.i18n import translated

PARAMETERS_MAX: Final = 50

ONCE: Final = "Send this only once."
BAD_QUERY: Final = "Send the query in UTF-8, percent-encoded."
NOT_NULL: Final = "Leave this out instead of sending null."


async def admit(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Runs before anything of a request is read. Raises NotSignedIn, NotAllowed, and Invalid for a query that cannot be meant."""
    if request.method == "OPTIONS":
        # Litestar's own answer names only the methods of the first handler that was registered.
        return Response(None, status_code=204, headers={"Allow": allowed_methods(request.app, request.scope["path"])})
    handler = request.scope["route_handler"]
    plan = Plan.of(handler)
    for guard in plan.guards:
        await guard(request, handler)
    if request.scope["query_string"]:
        _check_query(request, plan)
    return None


def allowed_methods(app: Litestar, path: str) -> str:
    """What an Allow header says of a path: asking for a method that nobody has is refused with the list of those that there are."""
    try:
        app.asgi_router.handle_routing(path=normalize_path(path), method="?")
    except MethodNotAllowedException as refusal:
        methods = set((refusal.headers or {})["allow"].split(", "))
        return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
    raise AssertionError("unreachable")


def _check_query(request: Request[Any, Any, Any], plan: Plan) -> None:
    language = Visit.of(request).language
    query = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise Invalid(("query", translated(BAD_QUERY, language))) from None
    names = [name for name, _ in pairs]
    found = [(name, translated(ONCE, language)) for name in plan.single if names.count(name) > 1]
    if plan.is_strict:
        known = {parameter.name for parameter in plan.parameters if parameter.source is ParamType.QUERY}
        found += [unknown_fault(name, known, language) for name in dict.fromkeys(names) if name not in known]
    found += [(name, translated(NOT_NULL, language)) for name, value in pairs if name in plan.not_null and value.lower() == "null"]
    found += [(name, translated(BAD_CHARACTERS, language)) for name, value in pairs if UNPRINTABLE.search(value)]
    if found:
        raise Invalid(*found)


def parameter_refusal(request: Request[Any, Any, Any], error: ValidationException) -> Refusal:
    """All faults of the parameters of a request for which Litestar found at least one."""
    language = Visit.of(request).language
    sources: dict[ParamType, Mapping[str, Any]] = {
        ParamType.QUERY: _query(request),
        ParamType.PATH: request.scope["path_params"],
        ParamType.HEADER: request.headers,
    }
    found: list[tuple[str, str]] = []
    for parameter in Plan.of(request.scope["route_handler"]).parameters:
        given = sources[parameter.source].get(parameter.name)
        if given is None and parameter.is_required:
            found.append((parameter.shown_name, translated(NEEDED, language)))
        elif given is not None:
            value = [given] if parameter.is_repeatable else given
            try:
                msgspec.convert(value, parameter.annotation, strict=False, dec_hook=decode_hook, str_keys=True)
            except msgspec.ValidationError as fault:
                found.append((parameter.shown_name, said(str(fault), parameter.annotation, language)))
    if not found and (not isinstance(error.extra, list) or any(fault.get("key") == "data" for fault in error.extra)):
        return BodyMissing()
    return Invalid(*(found or [("", said(error.detail, None, language))]))


def id_refusal(request: Request[Any, Any, Any], error: MalformedId) -> Refusal:
    """A path or a query with a malformed id: 422, and which one it was."""
    given = {**_query(request), **{camel(name): value for name, value in request.scope.get("path_params", {}).items()}}
    name = next((name for name, value in given.items() if value == error.text), "")
    return Invalid((name, said(str(error), None, Visit.of(request).language)))


def _query(request: Request[Any, Any, Any]) -> dict[str, str]:
    return dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
