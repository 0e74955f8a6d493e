"""The invariants as data: ``queries.sql`` beside this file, one statement each, which returns the rows that offend."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from holdfast.bookings.states import BOOKING, BookingState
from holdfast.common.machine import Machine
from holdfast.database.queries import Query, read_queries
from holdfast.payments.states import PAYMENT, PaymentState, RefundState
from holdfast.sessions.states import SESSION, SessionState

S = TypeVar("S", bound=StrEnum)

HOLD_GRACE = timedelta(seconds=10)
SEALED_WITHIN = timedelta(seconds=10)
LAG_MAX = timedelta(minutes=1)
SETTLED_WITHIN = timedelta(minutes=1)
DECIDED_WITHIN = timedelta(minutes=10)
OVERDUE_MAX = timedelta(minutes=2)
SETTLED_GRACE = timedelta(minutes=1)
SEEN_WITHIN = timedelta(seconds=10)

APPEND_ONLY = (
    "events",
    "audit_logs",
    "audit_seals",
    "ledger_transactions",
    "ledger_entries",
    "ledger_pending_transactions",
    "ledger_pending_entries",
    "ledger_pending_ends",
    "ledger_closings",
    "ledger_days",
    "ledger_day_balances",
    "settlement_lines",
)

BOOKING_EVENTS = {
    "BookingHeld": BookingState.PENDING,
    "BookingConfirmed": BookingState.CONFIRMED,
    "BookingCancelled": BookingState.CANCELLED,
    "BookingExpired": BookingState.EXPIRED,
}
SESSION_EVENTS = {
    "SessionStarted": SessionState.ACTIVE,
    "SessionFull": SessionState.FULL,
    "SessionReopened": SessionState.ACTIVE,
    "SessionClosed": SessionState.CLOSED,
    "SessionCancelled": SessionState.CANCELLED,
}

# What the statements compare with, by the names that they use.
LIMITS = {
    "hold_grace": HOLD_GRACE,
    "sealed_within": SEALED_WITHIN,
    "lag_max": LAG_MAX,
    "settled_within": SETTLED_WITHIN,
    "decided_within": DECIDED_WITHIN,
    "overdue_max": OVERDUE_MAX,
    "settled_grace": SETTLED_GRACE,
    "seen_within": SEEN_WITHIN,
}


class Invariant(Struct, frozen=True):
    """Something that must hold. ``number`` is that of ARCHITECTURE.md; ``query`` returns what offends against it."""

    name: str
    number: str
    meaning: str
    query: Query


def invariants() -> list[Invariant]:
    """All of them, in the order of their numbers."""
    source = Path(__file__).with_name("queries.sql").read_text(encoding="utf-8")
    return [Invariant(name, _number(name), _meaning(query), query) for name, query in read_queries(source).items()]


def known_states() -> dict[str, object]:
    """States, moves and what announces them, from the tables of the modules, as parameters of the statements."""
    return {
        "session_states": [state.value for state in SessionState],
        "booking_states": [state.value for state in BookingState],
        "payment_states": [state.value for state in PaymentState],
        "refund_states": [state.value for state in RefundState],
        "session_moves": _moves(SESSION),
        "booking_moves": _moves(BOOKING),
        "payment_moves": _moves(PAYMENT),
        "session_events": list(SESSION_EVENTS),
        "session_event_states": [state.value for state in SESSION_EVENTS.values()],
        "booking_events": list(BOOKING_EVENTS),
        "booking_event_states": [state.value for state in BOOKING_EVENTS.values()],
    }


def _moves(machine: Machine[S]) -> list[str]:
    return [f"{move.start.value}>{move.end.value}" for move in machine.moves]


def _number(name: str) -> str:
    """``i6_kept`` is of I6, ``rule13_durability`` of rule 13."""
    found = re.match(r"(i|rule)(\d+)_", name)
    if found is None:
        raise ValueError(name)
    return f"I{found[2]}" if found[1] == "i" else f"rule {found[2]}"


def _meaning(query: Query) -> str:
    return re.sub(r":(\w+)", lambda match: _in_words(LIMITS[match[1]]), query.promise)


def _in_words(limit: timedelta) -> str:
    seconds = int(limit.total_seconds())
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
