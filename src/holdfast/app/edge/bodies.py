"""Reading a body strictly, in one step into the Struct that a route asks for: by the rules of JSON, "2" is no number."""

import re
from itertools import islice
from typing import Any, Final

import msgspec

from holdfast.app.edge.faults import faults_of, said, unprintable_faults
from holdfast.app.edge.refusals import Malformed, NotJson, TooDeep
from holdfast.app.edge.visits import Visit
from holdfast.common.errors import Invalid
from holdfast.common.language import Language
from holdfast.common.wire import decode_hook
from holdfast.i18n import translated

DEPTH_MAX: Final = 32
FAULTS_MAX: Final = 50
"""So many faults are named at most: the answer must not be many times the request."""
INT_MAX: Final = 2**53 - 1
"""The largest whole number that every reader of JSON takes for what it is."""

TOO_BIG: Final = "This number is too large or too small."

_PLAIN_JSON: Final = re.compile(rb'application/json(?:[ \t]*;[ \t]*charset="?utf-8"?)?[ \t]*', re.IGNORECASE)
# What only a suspicious body contains: escapes of control characters (also the innocent \\u0000 of an escaped backslash), DEL,
# noncharacters, and numbers of more digits than any of ours.
_SUSPICIOUS: Final = re.compile(rb"\\u00[017]|\\[bf]|\x7f|\\u[fF]{3}[eEfF]|\xef\xbf[\xbe\xbf]|[0-9]{16}")
# Whatever comes after a quote matches, an unfinished string too: so the scan never goes back, and takes no longer than the body.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.?)*+"?', re.DOTALL)


class BodyReader:
    """Reads bodies into one type."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._decoder = msgspec.json.Decoder(annotation, dec_hook=decode_hook)

    def read(self, body: bytes, visit: Visit) -> object:
        """The body as the route wants it. Raises NotJson, Malformed, TooDeep, and Invalid with all faults."""
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
            _look_closely(body, visit.language)
        return value

    def _faults(self, body: bytes, first: str, language: Language) -> list[tuple[str, str]]:
        try:
            plain = msgspec.json.decode(body)
        except msgspec.ValidationError:
            # A number that no reader could take; where it stands is all that msgspec says of it.
            return [(first.partition("`$.")[2].rstrip("`"), said(first, self._annotation, language))]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Malformed from None
        found = [
            *islice(faults_of(plain, self._annotation, language), FAULTS_MAX),
            *islice(unprintable_faults(plain, language), FAULTS_MAX),
        ]
        return found or [("", said(first, self._annotation, language))]


def _look_closely(body: bytes, language: Language) -> None:
    plain = msgspec.json.decode(body)
    found = list(islice(unprintable_faults(plain, language), FAULTS_MAX))
    found += [(path, translated(TOO_BIG, language)) for path in _huge(plain, "")][:FAULTS_MAX]
    if found:
        raise Invalid(*found)


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
