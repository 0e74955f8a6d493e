"""The chain that seals the audit log: what is hashed, and what a log that does not fit its seals shows.

The hash of the n-th row is SHA-256 over the 32 bytes of the hash before it and the canonical bytes of the row; the hash before the
first one is 32 zero bytes. Rows are counted in the order of the log: epoch, transaction, position.

**Canonical bytes.** A JSON array in UTF-8, without spaces::

    [1,epoch,xid,position,"id","actor_id","actor_role","action","entity","entity_id",before,after,created_at]

The first member is the version of this encoding. UUIDs are written with hyphens in lower case, times as microseconds since 1970 UTC
(null where infinite). ``before`` and ``after`` are null where the column is NULL, else an array of the one value. Within a value,
members of objects are sorted by the code points of their names; numbers are written in full, without exponent, trailing zeros of a
fraction and the sign of zero; strings escape the quotation mark, the backslash and the characters below U+0020 only
(``\\b \\f \\n \\r \\t``, else ``\\u00xx``). So nothing depends on how a version of PostgreSQL orders or prints JSON.
"""

import hashlib
import json
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from holdfast.audit.models import AuditId, LoggedRow, Seal
from holdfast.events.models import LogPosition

ENCODING = 1
BEGINNING = Seal(0, None, 0, 0, 0, bytes(32))


class Tampering(StrEnum):
    """How the log can differ from its seals."""

    CHANGED = "was changed after it was sealed, or the row before it was, together with its seal"
    REMOVED = "was removed"
    ADDED = "was added among rows that were sealed"
    REORDERED = "was moved to another place"
    UNSEALED = "lost its seal"
    BEYOND = "was sealed, and the head of the chain was set back to before it"


class HeadGone(Exception):
    """The head of the audit chain was removed from the database: nothing is sealed any more, and nothing can be compared."""

    def __str__(self) -> str:
        return str(self.__doc__)


class Broken(Struct, frozen=True):
    """A row that is not as it was sealed. ``number`` is None where it has no seal, ``log_id`` where nothing is left that names it."""

    tampering: Tampering
    number: int | None
    log_id: AuditId | None
    place: LogPosition

    def __str__(self) -> str:
        named = "A row" if self.number is None else f"Row {self.number:,}"
        known = "which nothing names any more" if self.log_id is None else str(self.log_id)
        return f"{named} ({known}, at {self.place}) {self.tampering.value}."


def seal_all(last: Seal, rows: Sequence[LoggedRow]) -> list[Seal]:
    """The seals of the rows that follow the last one sealed, given in the order of the log."""
    seals = []
    for row in rows:
        last = Seal(last.number + 1, row.id, row.epoch, row.xid, row.position, next_hash(last.hash, row))
        seals.append(last)
    return seals


def next_hash(before: bytes, row: LoggedRow) -> bytes:
    """The hash of a row that follows a hash."""
    return hashlib.sha256(before + canonical(row)).digest()


def compare(last: Seal, seals: Sequence[Seal], rows: Sequence[LoggedRow]) -> list[Broken]:
    """Where rows differ from the seals that follow ``last``, in the order of the log.

    ``rows`` are all that stand after the place of ``last`` and up to that of the last seal. What was moved into that span or out of it
    looks added or removed here.
    """
    sealed = {seal.log_id for seal in seals}
    logged = {row.id: row for row in rows if row.id in sealed}
    strange = deque(row for row in rows if row.id not in sealed)
    broken = []
    for seal in seals:
        between = []
        while strange and strange[0].place < seal.place:
            between.append(strange.popleft())
        has_gap = seal.number != last.number + 1
        broken += unsealed(last, seal.number - 1, between) if has_gap else _added(between)
        tampering = _tampering(last, seal, None if seal.log_id is None else logged.get(seal.log_id), has_gap=has_gap)
        if tampering is not None:
            broken.append(Broken(tampering, seal.number, seal.log_id, seal.place))
        last = seal
    return [*broken, *_added(strange)]


def _added(rows: Iterable[LoggedRow]) -> list[Broken]:
    return [Broken(Tampering.ADDED, None, row.id, row.place) for row in rows]


def unsealed(last: Seal, up_to: int, rows: Sequence[LoggedRow]) -> list[Broken]:
    """What it shows that the seals after ``last`` and up to a number are gone. ``rows`` are those that stand there without a seal."""
    broken = [Broken(Tampering.UNSEALED, None, row.id, row.place) for row in rows]
    if len(rows) < up_to - last.number:
        broken.append(Broken(Tampering.REMOVED, last.number + 1, None, last.place))
    return broken


def _tampering(last: Seal, seal: Seal, row: LoggedRow | None, *, has_gap: bool) -> Tampering | None:
    if row is None:
        return Tampering.REMOVED
    if row.place != seal.place or seal.place <= last.place:
        return Tampering.REORDERED
    # Behind a gap nobody knows what was hashed before this row. The gap itself is told.
    return None if has_gap or next_hash(last.hash, row) == seal.hash else Tampering.CHANGED


def canonical(row: LoggedRow) -> bytes:
    """What is hashed of a row; the encoding is described at the top of this file."""
    return _written(
        [
            ENCODING,
            row.epoch,
            row.xid,
            row.position,
            str(UUID(int=row.id.int)),
            str(row.actor_id),
            row.actor_role,
            row.action,
            row.entity,
            str(row.entity_id),
            None if row.before is None else [_read(row.before)],
            None if row.after is None else [_read(row.after)],
            row.created_us,
        ]
    ).encode()


def _read(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


def _written(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{','.join(f'{_written(name)}:{_written(value[name])}' for name in sorted(value))}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, Decimal):
        return _in_full(value)
    # Texts, integers, true, false and null: Python writes them as it is said above.
    return json.dumps(value, ensure_ascii=False)


def _in_full(number: Decimal) -> str:
    digits = format(number, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits
