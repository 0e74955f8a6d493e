"""Reading a request strictly: its body in one step into the Struct that the route asks for, its parameters by their names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from litestar import Litestar, Request, Response
from litestar.enums import ParamType
from litestar.exceptions import MethodNotAllowedException, ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.utils import normalize_path
from msgspec import Struct

from holdfast.app.edge.faults import BAD_CHARACTERS, NEEDED, UNPRINTABLE, faults_of, said, unprintable_faults
from holdfast.app.edge.refusals import BodyMissing, Malformed, NotJson, TooDeep
from holdfast.app.edge.visits import Visit
from holdfast.common.actor import Role
from holdfast.common.errors import Invalid, NotAllowed, Refusal
from holdfast.common.ids import MalformedId
from holdfast.common.language import Language
from holdfast.common.views import camel
from holdfast.common.wire import decode_hook
from holdfast.i18n import translated

BODY_BYTES_MAX: Final = 64 * 1024
DEPTH_MAX: Final = 32
PARAMETERS_MAX: Final = 50
INT_MAX: Final = 2**53 - 1
"""The largest whole number that every reader of JSON takes for what it is."""

ONCE: Final = "Send this only once."
TOO_BIG: Final = "This number is too large or too small."
BAD_QUERY: Final = "Send the query in UTF-8, percent-encoded."
NOT_NULL: Final = "Leave this out instead of sending null."
WORDS: Final = (ONCE, TOO_BIG, BAD_QUERY, NOT_NULL)

PLAN: Final = "holdfast.plan"
_PLAIN_JSON: Final = re.compile(rb'application/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?[ \t]*', re.IGNORECASE)
# What only a suspicious body contains: escapes of control characters (also the innocent \\u0000 of an escaped backslash), DEL,
# noncharacters, and numbers of more digits than any of ours.
_SUSPICIOUS: Final = re.compile(rb"\\u00[017]|\\[bf]|\x7f|\\u[fF]{3}[eEfF]|\xef\xbf[\xbe\xbf]|[0-9]{16}")
# Whatever comes after a quote matches, an unfinished string too: so the scan never goes back, and takes no longer than the body.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)
FAULTS_MAX: Final = 50
"""So many faults are named at most: the answer must not be many times the request."""


class _Parameter(Struct, frozen=True):
    name: str
    source: ParamType
    annotation: Any
    is_required: bool

    @property
    def shown_name(self) -> str:
        """Parameters of a path have Python's names in the code and JSON's in the OpenAPI document."""
        return camel(self.name) if self.source is ParamType.PATH else self.name


class Plan:
    """What one route reads of a request."""

    __slots__ = ("_decoder", "annotation", "bytes_max", "guards", "is_body_optional", "nullable", "parameters", "repeatable", "single")

    def __init__(
        self,
        annotation: Any,
        parameters: Sequence[_Parameter],
        repeatable: frozenset[str],
        *,
        bytes_max: int = BODY_BYTES_MAX,
        guards: Sequence[frozenset[Role]] = (),
        is_body_optional: bool = False,
    ) -> None:
        self.annotation = annotation
        self.is_body_optional = is_body_optional
        self.bytes_max = bytes_max
        self.guards = guards
        self._decoder = None if annotation is None else msgspec.json.Decoder(annotation, dec_hook=decode_hook)
        self.parameters = parameters
        self.repeatable = repeatable
        self.single = frozenset(found.name for found in parameters if found.source is ParamType.QUERY) - repeatable
        # Litestar would read "null" as nothing; but where a text is taken, it is a text.
        self.nullable = frozenset(found.name for found in parameters if found.name in self.single and not _takes_text(found.annotation))

    def read(self, body: bytes, visit: Visit) -> object:
        """The body as the route wants it. Raises NotJson, Malformed, TooDeep, and Invalid with all faults."""
        assert self._decoder is not None
        kind = visit.headers.get(b"content-type", b"")
        if not _PLAIN_JSON.fullmatch(kind) or visit.headers.get(b"content-encoding", b"identity") != b"identity":
            raise NotJson
        if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_deep(body):
            raise TooDeep(levels_max=DEPTH_MAX)
        try:
            value = self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise Invalid(*self._faults(body, str(error), visit.language)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed from None
        if _SUSPICIOUS.search(body):
            self._look_closely(body, visit.language)
        return value

    def _faults(self, body: bytes, first: str, language: Language) -> list[tuple[str, str]]:
        try:
            plain = msgspec.json.decode(body)
        except msgspec.ValidationError:
            # A number that no reader could take; where it stands is all that msgspec says of it.
            return [(first.partition("`$.")[2].rstrip("`"), said(first, self.annotation, language))]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed from None
        found = faults_of(plain, self.annotation, language) + unprintable_faults(plain, language)
        return found[:FAULTS_MAX] or [("", said(first, self.annotation, language))]

    def _look_closely(self, body: bytes, language: Language) -> None:
        plain = msgspec.json.decode(body)
        found = unprintable_faults(plain, language) + [(path, translated(TOO_BIG, language)) for path in _huge(plain, "")]
        if found:
            raise Invalid(*found)


class StrictRequest(Request[Any, Any, Any]):
    """A request whose ``data`` is decoded straight into its Struct, by the rules of JSON: "2" is no number."""

    async def body(self) -> bytes:
        plan: Plan = self.scope["route_handler"].opt[PLAN]
        return await Visit.of(self).body(plan.bytes_max)

    async def json(self) -> Any:
        plan: Plan = self.scope["route_handler"].opt[PLAN]
        return plan.read(await self.body(), Visit.of(self))


class TwoPaths(Exception):
    """One function answers at two paths, or under two methods: each needs a plan of its own."""


def make_plans(routes: Sequence[object]) -> None:
    """Look once, at the start, at what each route reads."""
    for route in routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                if PLAN in handler.opt:
                    raise TwoPaths(f"{handler} has more than one path; give each its own function")
                handler.opt[PLAN] = _plan(handler, model)
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
        _Parameter(found.field_alias, found.param_type, annotations.get(found.field_name, str), found.is_required)
        for found in (*model.expected_query_params, *model.expected_path_params, *model.expected_header_params)
    ]
    body = handler.parsed_data_field
    return Plan(
        None if body is None else body.raw,
        parameters,
        frozenset(model.sequence_query_parameter_names),
        bytes_max=handler.resolve_request_max_body_size() or BODY_BYTES_MAX,
        guards=[guard.roles for guard in handler.resolve_guards()],  # type: ignore[attr-defined]
        is_body_optional=body is not None and body.has_default,
    )


async def admit(request: Request[Any, Any, Any]) -> Response[None] | None:
    """Runs before anything of a request is read. Raises NotSignedIn, NotAllowed, and Invalid for a query that cannot be meant."""
    if request.method == "OPTIONS":
        # Litestar's own answer names only the methods of the first handler that was registered.
        return Response(None, status_code=204, headers={"Allow": allowed_methods(request.app, request.scope["path"])})
    plan: Plan = request.scope["route_handler"].opt[PLAN]
    for roles in plan.guards:
        actor = await Visit.of(request).actor()
        if roles and actor.role not in roles:
            raise NotAllowed
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
    query = request.scope["query_string"]
    language = Visit.of(request).language
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=PARAMETERS_MAX)
    except ValueError:
        raise Invalid(("query", translated(BAD_QUERY, language))) from None
    names = [name for name, _ in pairs]
    found = [(name, translated(ONCE, language)) for name in plan.single if names.count(name) > 1]
    found += [(name, translated(NOT_NULL, language)) for name, value in pairs if name in plan.nullable and value.lower() == "null"]
    found += [(name, translated(BAD_CHARACTERS, language)) for name, value in pairs if UNPRINTABLE.search(value)]
    if found:
        raise Invalid(*found)


def parameter_refusal(request: Request[Any, Any, Any], error: ValidationException) -> Refusal:
    """All faults of the parameters of a request for which Litestar found at least one."""
    language = Visit.of(request).language
    plan: Plan = request.scope["route_handler"].opt[PLAN]
    query = dict(parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True))
    sources: dict[ParamType, Mapping[str, Any]] = {
        ParamType.QUERY: query,
        ParamType.PATH: request.scope["path_params"],
        ParamType.HEADER: request.headers,
    }
    found: list[tuple[str, str]] = []
    for parameter in plan.parameters:
        given = sources[parameter.source].get(parameter.name)
        if given is None:
            if parameter.is_required:
                found.append((parameter.shown_name, translated(NEEDED, language)))
        else:
            value = [given] if parameter.name in plan.repeatable else given
            try:
                msgspec.convert(value, parameter.annotation, strict=False, dec_hook=decode_hook, str_keys=True)
            except msgspec.ValidationError as fault:
                found.append((parameter.shown_name, said(str(fault), parameter.annotation, language)))
    if not found and (not isinstance(error.extra, list) or any(fault.get("key") == "data" for fault in error.extra)):
        return BodyMissing()
    return Invalid(*(found or [("", said(error.detail, None, language))]))


def id_refusal(request: Request[Any, Any, Any], error: MalformedId) -> Refusal:
    """A path or a query with a malformed id: 422, and which one it was."""
    scope = request.scope
    path = {camel(name): value for name, value in scope.get("path_params", {}).items()}
    given = {**dict(parse_qsl(scope["query_string"].decode("latin-1"))), **path}
    name = next((name for name, value in given.items() if value == error.text), "")
    return Invalid((name, said(str(error), None, Visit.of(request).language)))


def _takes_text(annotation: Any) -> bool:
    try:
        return bool(msgspec.convert("null", annotation, strict=False, dec_hook=decode_hook) == "null")
    except msgspec.ValidationError:
        return False


def _is_deep(body: bytes) -> bool:
    depth = 0
    for byte in _STRINGS.sub(b"", body):
        if byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _huge(value: object, path: str) -> list[str]:
    if isinstance(value, int) and abs(value) > INT_MAX:
        return [path]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _huge(item, f"{path}[{index}]")]
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _huge(item, f"{path}.{key}" if path else key)]
    return []
