"""What each statement of the core touches, so that two orders that cannot differ need not both be run.

Two statements are independent when neither order of them can be told from the other. At READ COMMITTED nobody sees what is not
committed: a read meets nothing but the COMMIT of whoever wrote what it reads, and a lock or a change meets the locks, the changes
and the end of whoever has the same rows. A statement that is not in the table below meets everything, which is slow and safe.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from holdfast.audit import repository as audit
from holdfast.bookings import repository as bookings
from holdfast.database import Query
from holdfast.events import repository as events
from holdfast.idempotency import repository as idempotency
from holdfast.inventory import repository as inventory
from holdfast.payments import repository as payments
from holdfast.sessions import repository as sessions

Rows = Sequence[Mapping[str, object]]
Parameters = Mapping[str, object]

CLOCK = "clock"
EVERYTHING = "everything"


class Mode(Enum):
    READ = auto()
    INSERT = auto()
    """New rows under ids that nobody else knows: seen by others from the COMMIT on, and in nobody's way before."""
    LOCK = auto()
    WRITE = auto()
    UNLOCK = auto()
    """The end of a transaction that had locked these rows and left them as they were."""
    SHOW = auto()
    """The COMMIT of a transaction that had changed these rows."""


@dataclass(frozen=True)
class Access:
    """Rows of a table, by whatever they are asked for by; ``keys`` None are all of them."""

    table: str
    mode: Mode
    keys: frozenset[object] | None = None

    def meets(self, other: "Access") -> bool:
        """Whether the order of the two, in different transactions, can matter."""
        if (self.mode, other.mode) not in _MEET:
            return False
        if EVERYTHING in (self.table, other.table):
            return True
        return self.table == other.table and (self.keys is None or other.keys is None or not self.keys.isdisjoint(other.keys))


_STATEMENTS = {
    (Mode.LOCK, Mode.LOCK),
    (Mode.LOCK, Mode.WRITE),
    (Mode.WRITE, Mode.WRITE),
    (Mode.UNLOCK, Mode.LOCK),
    (Mode.UNLOCK, Mode.WRITE),
    (Mode.SHOW, Mode.LOCK),
    (Mode.SHOW, Mode.WRITE),
    (Mode.SHOW, Mode.READ),
}
_MEET = _STATEMENTS | {(second, first) for first, second in _STATEMENTS}


def meet(some: Iterable[Access], others: Iterable[Access]) -> bool:
    """Whether the order of two steps of different actors can matter."""
    others = tuple(others)
    return any(one.meets(other) for one in some for other in others)


def end_of(accesses: Iterable[Access], *, commits: bool) -> tuple[Access, ...]:
    """What the end of a transaction touches that did all this."""
    ends = set()
    for access in accesses:
        if access.mode in (Mode.WRITE, Mode.INSERT) and commits:
            ends.add(Access(access.table, Mode.SHOW, access.keys))
        elif access.mode in (Mode.LOCK, Mode.WRITE):
            ends.add(Access(access.table, Mode.UNLOCK, access.keys))
    return tuple(ends)


def _keys(value: object) -> frozenset[object] | None:
    if value is None:
        return None
    return frozenset(value) if isinstance(value, (list, tuple)) else frozenset([value])


def _of(table: str, mode: Mode, key: str | None = None) -> Callable[[Parameters, Rows | None], Access]:
    """Rows named by a parameter, or all."""
    return lambda parameters, _: Access(table, mode, None if key is None else _keys(parameters[key]))


def _moved(table: str, mode: Mode, column: str) -> Callable[[Parameters, Rows | None], Access]:
    """Rows named by what the statement answered: all, until it has."""
    return lambda _, rows: Access(table, mode, None if rows is None else frozenset(row[column] for row in rows))


_clock = _of(CLOCK, Mode.READ)
_TABLE: dict[Query, tuple[Callable[[Parameters, Rows | None], Access], ...]] = {
    # A claim that falls short without lapsed holds says nothing about them, but one may be there by now: all holds, always.
    inventory.SQL.lock_lapsed: (_clock, _of("hold_lines", Mode.READ), _of("holds", Mode.LOCK)),
    inventory.SQL.pools_with_lapsed: (_clock, _of("hold_lines", Mode.READ)),
    inventory.SQL.lock_some_lapsed: (_clock, _of("hold_lines", Mode.READ), _of("pools", Mode.LOCK), _of("holds", Mode.LOCK)),
    inventory.SQL.pools_of_holds: (_of("hold_lines", Mode.READ, "hold_ids"),),
    inventory.SQL.lines_of_holds: (_of("hold_lines", Mode.READ, "hold_ids"),),
    inventory.SQL.closed_pools_of_holds: (_of("hold_lines", Mode.READ, "hold_ids"), _of("pools", Mode.READ)),
    inventory.SQL.pools_of_sales: (_of("sold_lines", Mode.READ, "hold_ids"),),
    inventory.SQL.lock_pools: (_of("pools", Mode.LOCK, "ids"),),
    inventory.SQL.lock_pools_nobody_has: (_of("pools", Mode.LOCK, "ids"),),
    inventory.SQL.lock_holds: (_clock, _of("holds", Mode.LOCK, "ids")),
    inventory.SQL.grant: (
        _clock,
        _of("pools", Mode.WRITE, "pool_ids"),
        _of("hold_lines", Mode.INSERT, "hold_ids"),
        _of("holds", Mode.INSERT, "hold_ids"),
    ),
    inventory.SQL.give_back_held: (
        _of("holds", Mode.WRITE, "hold_ids"),
        _of("hold_lines", Mode.WRITE, "hold_ids"),
        _moved("pools", Mode.WRITE, "pool_id"),
    ),
    inventory.SQL.give_back_sold: (_of("sold_lines", Mode.WRITE, "hold_ids"), _moved("pools", Mode.WRITE, "pool_id")),
    inventory.SQL.confirm: (
        _clock,
        _of("pools", Mode.READ),
        _of("holds", Mode.WRITE, "hold_ids"),
        _of("hold_lines", Mode.WRITE, "hold_ids"),
        _of("sold_lines", Mode.INSERT, "hold_ids"),
        _moved("pools", Mode.WRITE, "pool_id"),
    ),
    inventory.SQL.extend: (_clock, _of("holds", Mode.WRITE, "id"), _of("hold_lines", Mode.WRITE, "id")),
    inventory.SQL.close: (_clock, _of("pools", Mode.WRITE, "ids")),
    inventory.SQL.reopen: (_of("pools", Mode.WRITE, "ids"),),
    inventory.SQL.resize: (_of("pools", Mode.WRITE, "id"),),
    inventory.SQL.holds_on_pools: (_of("hold_lines", Mode.READ),),
    # Says when something may free up, to be shown: nothing is decided by it, and no judgement compares it.
    inventory.SQL.next_deadlines: (),
    bookings.SQL.insert_held: (
        _of("bookings", Mode.INSERT, "ids"),
        _of("live", Mode.INSERT, "customer_ids"),
        _of("booking_items", Mode.INSERT, "item_booking_ids"),
    ),
    bookings.SQL.insert_items: (_of("booking_items", Mode.INSERT, "id"),),
    bookings.SQL.count_holds: (_clock, _of("live", Mode.READ, "customer_ids")),
    bookings.SQL.get: (_clock, _of("bookings", Mode.READ, "ids"), _of("holds", Mode.READ, "ids")),
    bookings.SQL.lock: (_of("bookings", Mode.LOCK, "ids"),),
    bookings.SQL.items: (_of("booking_items", Mode.READ, "ids"),),
    bookings.SQL.end: (_clock, _of("bookings", Mode.WRITE, "ids"), _moved("live", Mode.INSERT, "customer_id")),
    bookings.SQL.confirm: (_clock, _of("bookings", Mode.WRITE, "ids"), _moved("live", Mode.INSERT, "customer_id")),
    bookings.SQL.mark_extended: (_clock, _of("bookings", Mode.WRITE, "id")),
    bookings.SQL.change: (_of("bookings", Mode.WRITE, "id"),),
    bookings.SQL.delete_items: (_of("booking_items", Mode.WRITE, "id"),),
    bookings.SQL.some_open_of: (_of("bookings", Mode.READ), _of("hold_lines", Mode.READ), _of("sold_lines", Mode.READ)),
    sessions.SQL.sellable: (_of("driver_sessions", Mode.READ, "ids"),),
    sessions.SQL.get: (_clock, *(_of(table, Mode.READ) for table in ("driver_sessions", "pools", "hold_lines"))),
    sessions.SQL.lock: (_of("driver_sessions", Mode.LOCK, "id"), _of("pools", Mode.READ)),
    sessions.SQL.end: (_clock, _of("driver_sessions", Mode.WRITE, "id")),
    sessions.SQL.business_now: (_clock,),
    sessions.SQL.follow_seats: (_of("pools", Mode.READ, "pool_ids"), _moved("driver_sessions", Mode.WRITE, "id")),
    # A key is taken as a lock is: whoever else takes it waits for the COMMIT.
    idempotency.SQL.insert_keys: (_of("idempotency_keys", Mode.WRITE, "keys"),),
    idempotency.SQL.read_keys: (_of("idempotency_keys", Mode.READ, "keys"),),
    idempotency.SQL.keep_answers: (_of("idempotency_keys", Mode.WRITE, "keys"),),
    idempotency.SQL.delete_keys: (_of("idempotency_keys", Mode.WRITE, "keys"),),
    payments.SQL.lock_kept: (_of("payments", Mode.LOCK, "payable_ids"),),
    # Nobody in these scenarios reads the logs.
    events.SQL.publish: (_clock,),
    audit.SQL.record: (_clock,),
}


_ROOMS = {
    "audit": audit.SQL,
    "bookings": bookings.SQL,
    "events": events.SQL,
    "idempotency": idempotency.SQL,
    "inventory": inventory.SQL,
    "payments": payments.SQL,
    "sessions": sessions.SQL,
}


def name_of(statement: object) -> str:
    """A statement as scripts call it: ``inventory.lock_pools``."""
    if not isinstance(statement, Query):
        return str(statement).split(maxsplit=1)[0].lower()
    rooms = (room for room, known in _ROOMS.items() if getattr(known, statement.name, None) is statement)
    return f"{next(rooms, 'elsewhere')}.{statement.name}"


def touched(query: object, parameters: Parameters, rows: Rows | None = None, *, lapses: bool = True) -> tuple[Access, ...]:
    """What a statement touches; less of it is known before it has answered (``rows`` None).

    ``lapses``: whether any hold can lapse at all. Where none can, looking for lapsed ones finds nothing in any order.
    """
    found = _TABLE.get(query) if isinstance(query, Query) else None
    if not lapses and query in (inventory.SQL.lock_lapsed, inventory.SQL.lock_some_lapsed):
        return ()
    if found is None:
        return (Access(EVERYTHING, Mode.WRITE), Access(CLOCK, Mode.READ))
    accesses = tuple(access(parameters, rows) for access in found)
    if isinstance(query, Query) and not _locks(query):
        # A control has taken the lock away: what is left reads.
        accesses = tuple(Access(each.table, Mode.READ, each.keys) if each.mode is Mode.LOCK else each for each in accesses)
    return accesses


def taken(query: object, accesses: Iterable[Access], rows: Rows | None) -> tuple[Access, ...]:
    """Which rows a statement has locked or changed, now that it has answered."""
    had = tuple(each for each in accesses if each.mode in (Mode.LOCK, Mode.WRITE) and each.keys is not None)
    if not isinstance(query, Query) or rows is None or not _locks(query):
        return had
    ids = frozenset(row["id"] for row in rows if "id" in row)
    return tuple(
        Access(each.table, each.mode, ids) if each.mode is Mode.LOCK else each for each in accesses if each.mode in (Mode.LOCK, Mode.WRITE)
    )


def less_what_is_owned(accesses: Iterable[Access], owned: Mapping[str, frozenset[object]]) -> tuple[Access, ...]:
    """What a statement does to rows that its transaction has locked already meets nobody: others met the lock."""
    return tuple(
        each
        for each in accesses
        if not (each.mode in (Mode.LOCK, Mode.WRITE) and each.keys is not None and each.keys <= owned.get(each.table, frozenset()))
    )


def _locks(query: Query) -> bool:
    return "FOR UPDATE" in query.text or "FOR NO KEY UPDATE" in query.text
