"""The OpenAPI document, made from what the routes read and answer, so that it cannot say anything else than the program does.

msgspec writes the schemas, as it also reads and writes the bodies.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from inspect import cleandoc
from string import Formatter
from typing import Any, Final, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.enums import MediaType, ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from holdfast.app.edge.examples import Examples, id_example, ids_by_name, is_instant, sample_fact
from holdfast.app.edge.plans import Plan
from holdfast.app.edge.problems import problem
from holdfast.app.edge.refusals import (
    BadRequest,
    BodyMissing,
    IfMatchMalformed,
    IfMatchMissing,
    Malformed,
    NotJson,
    TooDeep,
    TooLarge,
)
from holdfast.common.errors import Invalid, NotAllowed, NotFound, NotSignedIn, Outdated, Overloaded, Refusal
from holdfast.common.guards import PROBLEM_JSON, RefusalSpec
from holdfast.common.ids import Id
from holdfast.common.language import Language
from holdfast.common.money import JsonAmount
from holdfast.common.views import Problem, camel
from holdfast.idempotency.errors import KeyMalformed, KeyMissing, KeyUsedForAnother, StillRunning
from holdfast.limits import LimitReached

_REFS: Final = "#/components/schemas/{name}"
_REQUEST_ID: Final = "req_0190a7c46d3e7c529b1f3f6f0a"
_BEARER: Final[Mapping[str, list[str]]] = {"bearer": []}

DESCRIPTION: Final = """\
Holdfast sells limited things in real time and never sells one twice.

Errors are problems (RFC 9457): `code` says what happened, `detail` says it to a person, in Arabic or English after
`Accept-Language`. Amounts are decimal numbers with a currency beside them. Ids say what they name (`bkg_...`). Instants are RFC 3339
in UTC. Lists come in pages: send `nextCursor` as `cursor` to get the next one. Send an `Idempotency-Key` with whatever changes
something, and the same one when you try again: it will have happened once.
"""

_HEADERS: Final[Mapping[str, Mapping[str, object]]] = {
    "X-Request-Id": {"description": "Name this when you write to us.", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "How many requests you may make, and in how many seconds.", "schema": {"type": "string"}},
    "RateLimit": {"description": "How many are left, and for how many seconds that counts.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait before you try again.", "schema": {"type": "string"}},
    "ETag": {"description": "The version of this object, for If-Match.", "schema": {"type": "string"}},
    "Link": {"description": 'The next page, as rel="next", where there is one.', "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true`: this is the answer of the first request with this key.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
}


def document(app: Litestar, *, version: str, url: str) -> dict[str, object]:
    """The document of an application whose routes have their plans."""
    return _Writer(app).write(version, url)


class _Writer:
    def __init__(self, app: Litestar) -> None:
        found = [
            (route, method, handler)
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for handler in route.route_handlers
            for method in handler.http_methods
            if handler.resolve_include_in_schema() and method != "OPTIONS"
        ]
        # Litestar keeps them in sets: sorted, every process writes the same document.
        self._operations = sorted(found, key=lambda operation: (operation[0].path, operation[1]))
        wanted: list[Any] = [Problem]
        for _, _, handler in self._operations:
            plan = Plan.of(handler)
            wanted += [found.annotation for found in plan.parameters]
            wanted += [found for found in (plan.annotation, _answered(handler)) if found is not None]
        # One pass over all types, so that each component has one name.
        schemas, components = msgspec.json.schema_components(wanted, schema_hook=_own_schema, ref_template=_REFS)
        self._components = _tidied(components)
        self._schemas = dict(zip(map(_key, wanted), map(_tidied, schemas), strict=True))
        self._examples = Examples(self._components)
        self._ids = ids_by_name()
        self._shared: dict[str, object] = {}

    def write(self, version: str, url: str) -> dict[str, object]:
        paths: defaultdict[str, dict[str, object]] = defaultdict(dict)
        for route, method, handler in self._operations:
            paths[_shown_path(route.path_format)][method.lower()] = self._operation(handler, route)
        self._name_operations(paths)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Holdfast",
                "version": version,
                "description": DESCRIPTION,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": url}],
            "tags": [{"name": name} for name in sorted({tag for _, _, handler in self._operations for tag in _tags(handler)})],
            "paths": dict(paths),
            "components": {
                "schemas": dict(sorted(self._components.items())),
                "headers": _HEADERS,
                "responses": dict(sorted(self._shared.items())),
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            },
        }

    def _name_operations(self, paths: Mapping[str, Mapping[str, Any]]) -> None:
        """Operations are named after their functions; where two have one name, after their tag too."""
        operations = [operation for path in paths.values() for operation in path.values()]
        names = [operation["operationId"] for operation in operations]
        for operation in operations:
            if names.count(operation["operationId"]) > 1:
                operation["operationId"] += "".join(word.capitalize() for tag in operation["tags"] for word in tag.split())

    def _operation(self, handler: HTTPRouteHandler, route: HTTPRoute) -> dict[str, object]:
        plan = Plan.of(handler)
        summary, _, rest = cleandoc(handler.fn.__doc__ or handler.handler_name).partition("\n")
        found: dict[str, object] = {
            "operationId": camel(handler.handler_name.rpartition(".")[2]),
            "summary": summary.rstrip("."),
            "description": "\n\n".join(part for part in (rest.strip(), _who_may(plan)) if part),
            "tags": _tags(handler),
            "parameters": self._parameters(handler, plan),
            "responses": self._responses(handler, plan),
            "security": [_BEARER] if plan.guards else [{}, _BEARER] if "maybe_actor" in _asked(handler) else [],
        }
        if _roles(plan):
            found["x-roles"] = _roles(plan)
        if plan.annotation is not None:
            schema = self._schemas[_key(plan.annotation)]
            found["requestBody"] = {
                "required": not plan.is_body_optional,
                "content": {"application/json": {"schema": schema, "example": self._examples.of(schema)}},
            }
        return found

    def _parameters(self, handler: HTTPRouteHandler, plan: Plan) -> list[dict[str, object]]:
        asked = _asked(handler)
        found: list[dict[str, object]] = []
        for parameter in plan.parameters:
            schema = dict(self._schemas[_key(parameter.annotation)])
            name = parameter.shown_name
            if parameter.source is ParamType.PATH and name in self._ids:
                schema = _id_schema(self._ids[name])
            description = schema.pop("description", None)
            if not parameter.is_required:
                # There is no null in a query: one leaves the parameter out.
                schema = _without_null(schema)
            entry: dict[str, object] = {"name": name, "in": parameter.source.value, "required": parameter.is_required, "schema": schema}
            if description:
                entry["description"] = description
            found.append({**entry, "example": self._examples.of(schema, name)})
        if asked & {"key", "optional_key"}:
            found.append(
                _header("Idempotency-Key", _KEY_TEXT, _KEY_SCHEMA, "6f1c0d3a-8f0b-4f4e-9a53-1f0e6a1b7c55", is_required="key" in asked)
            )
        if "device" in asked:
            found.append(
                _header("X-Device-Id", "An id that your app keeps for this device.", {"type": "string"}, "5f0c7a61", is_required=False)
            )
        if "version" in asked:
            found.append(_header("If-Match", "The ETag of the version that you change.", _ETAG_SCHEMA, '"3"', is_required=True))
        if "language" in asked:
            found.append(_header("Accept-Language", "The language of names.", {"type": "string"}, "ar", is_required=False))
        return found

    def _responses(self, handler: HTTPRouteHandler, plan: Plan) -> dict[str, object]:
        success: dict[str, object] = {
            "description": HTTPStatus(handler.status_code).phrase,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in _success_headers(handler)},
        }
        answered = _answered(handler)
        if answered is not None:
            schema = self._schemas[_key(answered)]
            success["content"] = {_media_type(handler): {"schema": schema, "example": self._examples.of(schema)}}
        elif handler.status_code not in (HTTPStatus.NO_CONTENT, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT):
            success["content"] = {_media_type(handler): {"schema": {"type": "string"}, "example": "..."}}
        responses: dict[str, object] = {str(handler.status_code): success}
        for status, classes in sorted(_refusals(handler, plan).items()):
            responses[str(status)] = self._shared_or_own(status, classes)
        return responses

    def _shared_or_own(self, status: int, classes: set[type[Refusal]]) -> dict[str, object]:
        """What a single refusal is answered with stands once in the document, by the name of its class."""
        if len(classes) > 1:
            return self._refused(status, classes)
        [refusal] = classes
        if refusal.__name__ not in self._shared:
            self._shared[refusal.__name__] = self._refused(status, classes)
        return {"$ref": f"#/components/responses/{refusal.__name__}"}

    def _refused(self, status: int, classes: Iterable[type[Refusal]]) -> dict[str, object]:
        headers = ["X-Request-Id"]
        headers += ["WWW-Authenticate"] if status == HTTPStatus.UNAUTHORIZED else []
        headers += ["Retry-After"] if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE) else []
        return {
            "description": HTTPStatus(status).phrase,
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
            "content": {
                PROBLEM_JSON: {
                    "schema": {"$ref": _REFS.format(name="Problem")},
                    "examples": {
                        refusal.code: {"summary": refusal.code, "value": problem_example(refusal)}
                        for refusal in sorted(classes, key=lambda refusal: refusal.code)
                    },
                }
            },
        }


_KEY_TEXT: Final = "A fresh random text for each thing that you want done, and the same one when you try again."
_KEY_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_ETAG_SCHEMA: Final = {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*")$'}


def _header(name: str, description: str, schema: Mapping[str, object], example: str, *, is_required: bool) -> dict[str, object]:
    return {"name": name, "in": "header", "required": is_required, "description": description, "schema": schema, "example": example}


def problem_example(refusal: type[Refusal]) -> dict[str, object]:
    """The problem of a refusal with facts made up."""
    names = [name for _, name, _, _ in Formatter().parse(refusal.template()) if name]
    made = Invalid(("seatsCount", "Send a whole number.")) if refusal is Invalid else refusal.__new__(refusal)
    if refusal is not Invalid:
        made.facts = {name: sample_fact(name) for name in names}
    members = problem(made, Language.EN, _REQUEST_ID)
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(members, enc_hook=lambda value: value.raw()))
    return found


def _refusals(handler: HTTPRouteHandler, plan: Plan) -> Mapping[int, set[type[Refusal]]]:
    """What a route itself declares, and what the edge may say before it."""
    asked = _asked(handler)
    found: set[type[Refusal]] = {BadRequest, Invalid, LimitReached, Overloaded}
    for spec in (handler.responses or {}).values():
        found |= set(spec.classes) if isinstance(spec, RefusalSpec) else set()
    if plan.guards or "maybe_actor" in asked:
        found.add(NotSignedIn)
    if _roles(plan):
        found.add(NotAllowed)
    if any(parameter.source is ParamType.PATH for parameter in plan.parameters):
        found.add(NotFound)
    if plan.annotation is not None:
        found |= {Malformed, TooDeep, TooLarge, NotJson} | (set() if plan.is_body_optional else {BodyMissing})
    if asked & {"key", "optional_key"}:
        found |= {KeyMalformed, KeyUsedForAnother, StillRunning, TooLarge} | ({KeyMissing} if "key" in asked else set())
    if "version" in asked:
        found |= {IfMatchMissing, IfMatchMalformed, Outdated}
    by_status: defaultdict[int, set[type[Refusal]]] = defaultdict(set)
    for refusal in found:
        by_status[refusal.status].add(refusal)
    return by_status


def _success_headers(handler: HTTPRouteHandler) -> list[str]:
    found = ["X-Request-Id", "RateLimit-Policy", "RateLimit"]
    answered = handler.parsed_fn_signature.return_type.annotation
    if _is_response(answered) and _answered(handler) is not None:
        found.append("ETag")
    if "page" in _asked(handler):
        found.append("Link")
    if _asked(handler) & {"key", "optional_key"}:
        found.append("Idempotency-Replayed")
    return found


def _roles(plan: Plan) -> list[str]:
    return sorted({role.value for guard in plan.guards for role in guard.roles})


def _who_may(plan: Plan) -> str:
    if not plan.guards:
        return "Anyone may call this."
    roles = _roles(plan)
    return f"For people with the role {' or '.join(roles)}." if roles else "For anyone who signed in."


def _asked(handler: HTTPRouteHandler) -> set[str]:
    return set(handler.parsed_fn_signature.parameters)


def _tags(handler: HTTPRouteHandler) -> list[str]:
    return sorted({tag for layer in handler.ownership_layers for tag in getattr(layer, "tags", None) or ()})


def _is_response(annotation: Any) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and issubclass(origin, Response)


def _answered(handler: HTTPRouteHandler) -> Any:
    """What a route answers as JSON, or None."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    if _is_response(annotation):
        annotation = next(iter(get_args(annotation)), None)
    is_json = _media_type(handler) == MediaType.JSON and annotation not in (None, type(None), bytes, Any)
    return annotation if is_json else None


def _media_type(handler: HTTPRouteHandler) -> str:
    """Litestar leaves it open where a route answers with a Response, which is JSON then."""
    return str(getattr(handler.media_type, "value", handler.media_type)) or MediaType.JSON.value


def _own_schema(kind: type) -> dict[str, object]:
    if issubclass(kind, Id):
        return _id_schema(kind)
    if issubclass(kind, JsonAmount):
        return {"type": "number", "description": "An amount in major units, with its currency beside it."}
    raise NotImplementedError(f"no schema for {kind.__name__}: a view has fields of JSON's own types, ids as text")


def _id_schema(kind: type[Id]) -> dict[str, object]:
    return {
        "type": "string",
        "pattern": f"^{kind.prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$",
        "examples": [id_example(kind)],
    }


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if not (key == "anyOf" or (key == "default" and value is None))}
    return {**choices[0], **rest} if len(choices) == 1 else dict(schema)


def _tidied(found: Any) -> Any:
    """Names of pages without brackets, decimals as they are read, and no default that is no value."""
    if isinstance(found, list):
        return [_tidied(inner) for inner in found]
    if not isinstance(found, dict):
        return found
    if found.get("format") == "decimal":
        return {
            "anyOf": [{"type": "number"}, {"type": "string", "format": "decimal"}],
            **{k: v for k, v in found.items() if k not in ("type", "format")},
        }
    tidied = {_tidied_name(key): _tidied(value) for key, value in found.items() if not (key == "default" and value is None)}
    if isinstance(tidied.get("properties"), dict):
        tidied["properties"] = {name: _dated(name, schema) for name, schema in tidied["properties"].items()}
    if isinstance(tidied.get("$ref"), str):
        tidied["$ref"] = _tidied_name(tidied["$ref"])
    if isinstance(tidied.get("title"), str):
        tidied["title"] = _tidied_name(tidied["title"].replace("[", "_").replace("]", "_"))
    return tidied


def _dated(name: str, schema: Any) -> Any:
    """msgspec names the format of an instant only where it demands a zone when it reads; ours all have one when they are written."""
    if not is_instant(name):
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [_dated(name, choice) for choice in schema["anyOf"]]}
    return {**schema, "format": "date-time"} if schema.get("type") == "string" else schema


def _tidied_name(name: str) -> str:
    """Pages without brackets, and no names of modules where two have one name."""
    bare = re.sub(r"\bholdfast\.(\w+)\.(?:\w+\.)*(\w+)", lambda found: found[1].capitalize() + found[2], name)
    return re.sub(r"\bPageView_(\w+)_\b", r"\1Page", bare)


def _key(annotation: Any) -> str:
    return repr(annotation)


def _shown_path(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: "{" + camel(found[1]) + "}", path)
