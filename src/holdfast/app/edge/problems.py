"""Every error becomes a problem (RFC 9457), in the language of the caller."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

import msgspec
import psycopg
import structlog
from litestar import Request
from litestar.exceptions import ClientException, MethodNotAllowedException, NotFoundException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from holdfast.app.edge.answers import Answer
from holdfast.app.edge.parameters import allowed_methods, id_refusal, parameter_refusal
from holdfast.app.edge.plans import BODY_BYTES_MAX
from holdfast.app.edge.refusals import BadRequest, Internal, MethodUnknown, PathUnknown, TooLarge
from holdfast.app.edge.visits import Visit
from holdfast.common.errors import NotSignedIn, Overloaded, Refusal
from holdfast.common.guards import PROBLEM_JSON
from holdfast.common.ids import Id, MalformedId
from holdfast.common.language import Language
from holdfast.common.money import Amount, JsonAmount
from holdfast.common.views import camel
from holdfast.common.wire import encode_hook
from holdfast.database import OutcomeUnknown
from holdfast.database.retries import ConnectionLost
from holdfast.i18n import filled, translated

TYPE_PREFIX: Final = "urn:holdfast:problem:"
SAID_MAX: Final = 500
# In a crowd thousands are refused with the same words.
_said_before: dict[tuple[object, ...], dict[str, object]] = {}
_ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_hook)
# Of psycopg's errors the last one covers locks, deadlocks and timeouts too.
_BUSY: Final = (ConnectionLost, OutcomeUnknown, psycopg.OperationalError)
_KNOWN: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[], Refusal]], ...]] = (
    (RequestEntityTooLarge, lambda: TooLarge(bytes_max=BODY_BYTES_MAX)),
    (MethodNotAllowedException, MethodUnknown),
    (NotFoundException, PathUnknown),
    (ClientException, BadRequest),
    (_BUSY, Overloaded),
)

_log = structlog.get_logger("holdfast.http")


def answer_problem(request: Request[Any, Any, Any], error: Exception) -> Any:
    """Litestar's door for everything that was raised while a request was answered."""
    return problem_answer(error, Visit.of(request), request)


def problem_answer(error: BaseException, visit: Visit, request: Request[Any, Any, Any] | None = None) -> Answer:
    """The problem that an error is for the caller; what is nobody's refusal is logged and shown as ``internal``."""
    headers: list[tuple[bytes, bytes]] = []
    if isinstance(error, MethodNotAllowedException) and request is not None:
        headers.append((b"allow", allowed_methods(request.app, request.scope["path"]).encode()))
    refusal = refusal_of(error, request)
    if isinstance(refusal, NotSignedIn):
        headers.append(
            (b"www-authenticate", b'Bearer realm="holdfast"' + (b', error="invalid_token"' if b"authorization" in visit.headers else b""))
        )
    retry_after = refusal.facts.get("retry_after", refusal.retry_after)
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    body = _ENCODER.encode(problem(refusal, visit.language, visit.request_id.decode()))
    headers += [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"content-language", visit.language.encode()),
    ]
    return Answer(refusal.status, headers, body)


def refusal_of(error: BaseException, request: Request[Any, Any, Any] | None) -> Refusal:
    """What an error means for the caller. What nobody foresaw is logged here."""
    if isinstance(error, Refusal):
        return error
    if request is not None and isinstance(error, MalformedId):
        return id_refusal(request, error)
    if request is not None and isinstance(error, ValidationException):
        return parameter_refusal(request, error)
    known = next((refusal for kinds, refusal in _KNOWN if isinstance(error, kinds)), None)
    if known is None:
        _log.error("an error that nobody foresaw", exc_info=error)
    elif known is Overloaded:
        _log.warning("too busy to answer", reason=repr(error))
    return (known or Internal)()


def problem(refusal: Refusal, language: Language, request_id: str) -> dict[str, object]:
    """The members of a problem; the facts of the refusal are among them."""
    key = (type(refusal), tuple(refusal.facts.items()), language)
    try:
        said = _said_before.get(key)
    except TypeError:
        # A fact that is a list or a mapping.
        return {**_said(refusal, language), "requestId": request_id}
    if said is None:
        if len(_said_before) >= SAID_MAX:
            _said_before.clear()
        said = _said_before[key] = _said(refusal, language)
    return {**said, "requestId": request_id}


def _said(refusal: Refusal, language: Language) -> dict[str, object]:
    members: dict[str, object] = {
        "type": TYPE_PREFIX + refusal.code,
        "title": translated(title_of(refusal.code), language),
        "status": refusal.status,
        "detail": filled(translated(refusal.template(), language), refusal.facts),
        "code": refusal.code,
        "requestId": "",
    }
    for name, value in refusal.facts.items():
        members.setdefault(camel(name), shown(value))
        if isinstance(value, Amount):
            members.setdefault("currency", value.currency)
    if refusal.retry_after is not None:
        members.setdefault("retryAfter", refusal.retry_after)
    return members


def title_of(code: str) -> str:
    """``sold_out`` is titled "Sold out"; the key of the catalogues."""
    return code.replace("_", " ").capitalize()


def shown(value: object) -> object:  # noqa: PLR0911 - one line for each kind.
    """A fact as JSON shows it: ids as TypeIDs, amounts as numbers in major units, instants in UTC."""
    match value:
        case Id():
            return str(value)
        case Amount():
            return JsonAmount(value)
        case Enum():
            return value.value
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC)
        case dict():
            return {camel(str(name)): shown(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [shown(inner) for inner in value]
        case _:
            return value
