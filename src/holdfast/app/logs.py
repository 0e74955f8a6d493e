"""One log for everything: our own lines, the web server's, the libraries'. What is secret or personal never reaches it.

Values are masked by the name of their key and by their look, in messages and tracebacks too. What must be seen on a console (a
sign-in code in development) is printed, not logged.
"""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from holdfast.common.cards import has_check_digit
from holdfast.config import Settings

MASK = "[masked]"
_DEPTH_MAX = 8

_SECRET_KEY = re.compile(
    r"(^|_)(phone|phones|msisdn|code|otp|pin|token|tokens|password|passwd|secret|authorization|cookie|card|pan|cvc|cvv|iban|jwt|credential|signature"
    r"|licence_number|license_number|email|(api|private|token|vault|wrapped)_key)(_|$|hash$)"
)
# Names that only look like secrets: they say what happened, not what is secret.
_HARMLESS_KEYS = frozenset(
    {"status_code", "error_code", "exit_code", "code_channel", "card_brand", "token_kind", "problem_code", "error_code_name"}
)

_PHONE = re.compile(r"(?<![\w.+])(?:\+|00)\d(?:[ -]?\d){7,14}(?!\w)|(?<![\w.+-])01[0125]\d{8}(?![\w-])")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_URL_PASSWORD = re.compile(r"(://[^:/?#\s@]*:)[^@/\s]+@")
_NAMED = re.compile(
    r"""(?ix)
    (\b(?:[\w-]*(?:token|secret|password|passwd|otp|signature|cvc|cvv|api[_-]?key|authorization|cookie)|(?:sign[ -]?in[ ])?code|pin)
        ["']?\s*(?:=|:|\bis\b)\s*["']?)
    ([^\s"'&,;)}\]]+)"""
)
# An escape of a URL ends before the number begins.
_CARD = re.compile(r"(?:(?<=%[0-9A-Fa-f]{2})|(?<![A-Za-z0-9.%-]))\d(?:[ -]?\d){12,18}(?![\w-])")
_MANY_DIGITS = re.compile(r"\d(?:[ -]?\d){7}")
_ALARMING = (
    "eyj",
    "bearer",
    "basic",
    "://",
    "token",
    "secret",
    "passw",
    "otp",
    "signature",
    "cvc",
    "cvv",
    "key",
    "authorization",
    "cookie",
    "code",
    "pin",
)
_CODE_LENGTHS = range(4, 9)


def mask_text(text: str) -> str:
    """The text without phones, tokens, passwords, codes and card numbers."""
    # Nearly every text is innocent, and finding that out must not cost more than writing it.
    lowered = text.lower()
    if any(word in lowered for word in _ALARMING):
        text = _JWT.sub(MASK, text)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}@", text)
        text = _NAMED.sub(_mask_named, text)
    if _MANY_DIGITS.search(text):
        text = _CARD.sub(_mask_card, text)
        text = _PHONE.sub(MASK, text)
    return text


def mask(value: object, depth: int = 0) -> object:
    """A value fit for the log, however deeply it is nested."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > _DEPTH_MAX:
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, Mapping):
        return {mask_text(str(key)): MASK if _is_secret(str(key)) else mask(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(inner, depth + 1) for inner in value]
    return mask_text(repr(value))


def _is_secret(key: str) -> bool:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()
    return name not in _HARMLESS_KEYS and _SECRET_KEY.search(name) is not None


def _mask_named(match: re.Match[str]) -> str:
    name, value = match.groups()
    is_only_a_code = re.match(r"(?i)(sign[ -]?in )?code|pin", name) is not None
    # "code: sold_out" says something, "code: 123456" is one.
    if is_only_a_code and not (value.isdigit() and len(value) in _CODE_LENGTHS):
        return match.group()
    return f"{name}{MASK}"


def _mask_card(match: re.Match[str]) -> str:
    # Masking one number too many costs nothing: whatever has a check digit counts.
    digits = re.sub("[ -]", "", match.group())
    return MASK if has_check_digit(digits) else match.group()


def _mask_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: MASK if _is_secret(key) else mask(value) for key, value in event.items()}


def _drop_colours(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """uvicorn adds its message a second time, in colours."""
    event.pop("color_message", None)
    return event


# Libraries that log every request or job, and whose lines quote what was sent.
_CHATTY = (
    "apprise",
    "engineio",
    "engineio.server",
    "httpcore",
    "httpx",
    "procrastinate",
    "socketio",
    "socketio.server",
    "sqlalchemy",
    "uvicorn.access",
    "uvicorn.error",
)


class Request(Protocol):
    """The request that is being answered, as far as a log line names it."""

    @property
    def request_id(self) -> bytes: ...

    @property
    def trace_id(self) -> str | None: ...


answered: Final[ContextVar[Request | None]] = ContextVar("answered", default=None)
"""The request of this task. It is written out only where something is logged, which is rare."""


def _add_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request = answered.get()
    if request is not None:
        event.setdefault("request_id", request.request_id.decode())
        event.setdefault("trace_id", request.trace_id)
    return event


def configure(settings: Settings) -> None:
    """Send every log line of this process to standard error: as text for people, in production as one JSON object a line."""
    is_json = settings.log_json or settings.is_production
    level = settings.log_level.upper()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso" if is_json else "%H:%M:%S", utc=is_json),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False) if is_json else _people_renderer()
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "ours": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": [*shared[:3], structlog.stdlib.ExtraAdder(), *shared[3:]],
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, _drop_colours, _mask_event, renderer],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "ours", "stream": "ext://sys.stderr"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {name: {"level": "WARNING" if settings.log_level != "debug" else "DEBUG"} for name in _CHATTY},
        }
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught


def _people_renderer() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0, pad_level=False
    )


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logging.getLogger("holdfast").critical("the program ends because of an error that nobody expected", exc_info=(kind, error, traceback))
