"""Pages of a list, one after another by an opaque cursor."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from holdfast.common.errors import Invalid, NotFound
from holdfast.common.ids import Id

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
_SEAL_BYTES = 6

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")
K = TypeVar("K", bound=Id)


class PageRequest(Struct, frozen=True):
    """Which page is asked for: at most ``limit`` rows after ``cursor``, or from the start."""

    limit: int = LIMIT_DEFAULT
    cursor: str | None = None

    def after(self, kind: type[K]) -> K | None:
        """The id that the page begins after, in a list whose cursor is one id. Raises Invalid, also for another list's cursor."""
        if self.cursor is None:
            return None
        (text,) = decode_cursor(self.cursor, parts=1)
        try:
            return kind.parse(text)
        except (ValueError, NotFound):
            raise _foreign() from None

    def after_distance(self, kind: type[K]) -> tuple[float, K] | None:
        """The distance and the id that the page begins after, in a list by distance. Raises Invalid, also for another list's cursor."""
        if self.cursor is None:
            return None
        distance, text = decode_cursor(self.cursor, parts=2)
        try:
            return float(distance), kind.parse(text)
        except (ValueError, NotFound):
            raise _foreign() from None


class Page(Struct, Generic[T], frozen=True):
    """What a service returns for a list: the rows, and the cursor of the next page where there is one."""

    rows: Sequence[T]
    next_cursor: str | None = None
    total: int | None = None

    @classmethod
    def cut(cls, rows: Sequence[T], request: PageRequest, cursor: Callable[[T], str], *, total: int | None = None) -> "Page[T]":
        """A page out of rows that were asked for with one more than ``request.limit``; ``cursor`` names the place after a row."""
        shown = rows[: request.limit]
        return cls(shown, cursor(shown[-1]) if len(rows) > len(shown) else None, total)


class Pagination(Struct, frozen=True, rename="camel"):
    """Where a page stands. ``nextCursor`` is null on the last one."""

    limit: int
    next_cursor: str | None
    total: int | UnsetType = UNSET


class PageView(Struct, Generic[V], frozen=True, rename="camel"):
    """One page of a list, as it is answered. The edge adds ``Link: rel="next"`` from it."""

    data: list[V]
    pagination: Pagination

    @classmethod
    def of(cls, page: Page[R], request: PageRequest, view: Callable[[R], V]) -> "PageView[V]":
        total = UNSET if page.total is None else page.total
        return cls([view(row) for row in page.rows], Pagination(request.limit, page.next_cursor, total))


class _Seal:
    key = b""


def seal_cursors_with(secret: str) -> None:
    """Sign the cursors of this process. Every process that answers the same people needs the same secret."""
    _Seal.key = hashlib.sha256(b"holdfast cursors:" + secret.encode()).digest()


def encode_cursor(*parts: str) -> str:
    """An opaque place in a list, made of what the query needs to go on from there."""
    content = msgspec.json.encode(parts)
    return urlsafe_b64encode(_seal(content) + content).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, parts: int) -> tuple[str, ...]:
    """What ``encode_cursor`` was given. It is signed, so the parts can be trusted to be ours. Raises Invalid."""
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except (UnicodeEncodeError, NotBase64, ValueError):
        raise _foreign() from None
    seal, content = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(content)) or urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:
        raise _foreign()
    found = msgspec.json.decode(content, type=tuple[str, ...])
    if len(found) != parts:
        raise _foreign()
    return found


def _seal(content: bytes) -> bytes:
    return hmac.digest(_Seal.key, content, "sha256")[:_SEAL_BYTES]


def _foreign() -> Invalid:
    return Invalid(("cursor", "Send the nextCursor of the page before, unchanged, or none to start again."))
