"""Guards taken away on purpose: a race test that stays green without its guard proves nothing, and fails.

Each control names the guard, and edits a statement or replaces a function of the program in this process. Where the schema is a
second wall behind the guard, it is taken down too, or nobody would see that the first is gone.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import psycopg

from holdfast.audit import repository as audit
from holdfast.auth import repository as auth
from holdfast.auth import service as auth_service
from holdfast.bookings import desk
from holdfast.bookings import repository as bookings
from holdfast.database import Query, Tx
from holdfast.idempotency import KeyedRequest, New, RequestKey, Standing
from holdfast.inventory import repository as inventory
from holdfast.users import repository as users
from holdfast.waiting import repository as waiting


@dataclass(frozen=True)
class Control:
    """How a guard is taken away: parts of statements (query, old, new), attributes (object, name, value), and DDL as the owner."""

    edits: Sequence[tuple[Query, str, str]] = ()
    attributes: Sequence[tuple[ModuleType | type, str, object]] = ()
    ddl: Sequence[str] = field(default=())


async def _every_key_is_new(_tx: Tx, requests: Sequence[KeyedRequest]) -> Mapping[RequestKey, Standing]:
    return {request.key: New() for request in requests}


_WITHOUT_TRIES = "ALTER TABLE otp_challenges DROP CONSTRAINT otp_challenges_tries_left"
_WITHOUT_COUNTERS = "ALTER TABLE pools DROP CONSTRAINT pools_counters"

CONTROLS: dict[str, Callable[[], Control]] = {
    # Two claims read the same free seat.
    "inventory.without_pool_lock": lambda: Control(edits=[(inventory.SQL.lock_pools, "FOR NO KEY UPDATE", "")], ddl=[_WITHOUT_COUNTERS]),
    # A key is not taken, so a repeated request is a new one.
    "idempotency.without_keys": lambda: Control(attributes=[(desk, "begin", _every_key_is_new)]),
    # A closed pool is not judged after its lock: what was read before the wait counts.
    "inventory.without_closed_check": lambda: Control(
        edits=[(inventory.SQL.lock_pools, "version, closed_at", "version, NULL::timestamptz AS closed_at")]
    ),
    # What a lapsed hold gives back is what it once asked for, not what was deleted, and the worker locks neither it nor its pools.
    "inventory.without_returning": lambda: Control(
        edits=[
            (
                inventory.SQL.give_back_held,
                "FROM (SELECT pool_id, sum(quantity) AS quantity FROM lines GROUP BY pool_id) d",
                "FROM (SELECT pool_id, sum(quantity) AS quantity FROM booking_items WHERE booking_id = ANY(%(hold_ids)s) GROUP BY 1) d",
            ),
            (inventory.SQL.lock_lapsed, "FOR UPDATE SKIP LOCKED", ""),
            (inventory.SQL.lock_some_lapsed, "FOR UPDATE SKIP LOCKED", ""),
            (inventory.SQL.lock_some_lapsed, "FOR NO KEY UPDATE SKIP LOCKED", ""),
            (inventory.SQL.lock_pools_nobody_has, "FOR NO KEY UPDATE SKIP LOCKED", ""),
            (inventory.SQL.lock_holds, "FOR UPDATE", ""),
            (bookings.SQL.lock, "FOR NO KEY UPDATE", ""),
        ],
        ddl=[_WITHOUT_COUNTERS],
    ),
    # What money buys is what was once asked for, not what the hold still has, and nobody locks the hold or looks at its deadline.
    "inventory.without_lines_on_confirm": lambda: Control(
        edits=[
            (
                inventory.SQL.confirm,
                "DELETE FROM hold_lines WHERE hold_id IN (SELECT id FROM live) RETURNING hold_id, pool_id, quantity",
                "SELECT booking_id AS hold_id, pool_id, quantity FROM booking_items WHERE booking_id = ANY(%(hold_ids)s)",
            ),
            (inventory.SQL.lock_holds, "expires_at > business_now() AS live", "true AS live"),
            (inventory.SQL.lock_holds, "FOR UPDATE", ""),
            (inventory.SQL.lock_some_lapsed, "FOR UPDATE SKIP LOCKED", ""),
            (inventory.SQL.lock_lapsed, "FOR UPDATE SKIP LOCKED", ""),
            (bookings.SQL.lock, "FOR NO KEY UPDATE", ""),
        ],
        ddl=[_WITHOUT_COUNTERS],
    ),
    # A code that was right once is right again.
    "auth.without_single_use": lambda: Control(
        edits=[(auth.SQL.try_code, "used_at IS NULL AND tries_left > 0", "true")], ddl=[_WITHOUT_TRIES]
    ),
    # Tries are counted, but nobody looks at how many are left.
    "auth.without_tries": lambda: Control(edits=[(auth.SQL.try_code, "tries_left > 0", "true")], ddl=[_WITHOUT_TRIES]),
    # Whoever uses a refresh token a second time is a thief, a tab of the same browser too.
    "auth.without_grace": lambda: Control(attributes=[(auth_service, "REUSE_GRACE", timedelta(0))]),
    # Somebody signs in while nobody keeps the role from changing.
    "users.without_holding_still": lambda: Control(edits=[(users.SQL.share, "FOR SHARE", "")]),
    # A wallet that had enough a moment ago is taken for one that has enough.
    "ledger.without_guard": lambda: Control(
        ddl=[
            "ALTER TABLE ledger_guarded_balances DROP CONSTRAINT ledger_guarded_balances_not_below_zero",
            "ALTER TABLE ledger_guarded_balances DROP CONSTRAINT ledger_guarded_balances_pending",
        ]
    ),
    # Two who join at once read the same last number.
    "waiting.without_counter_lock": lambda: Control(
        edits=[(waiting.SQL.lock_counter, "FOR NO KEY UPDATE", "")],
        ddl=["ALTER TABLE waiting_places DROP CONSTRAINT waiting_places_number_key"],
    ),
    # Two who admit at once both take the next numbers.
    "waiting.without_room_lock": lambda: Control(edits=[(waiting.SQL.lock_due, "FOR NO KEY UPDATE OF r SKIP LOCKED", "")]),
    # Two holds at once both find the turn unused.
    "waiting.without_turn_lock": lambda: Control(edits=[(waiting.SQL.lock_turns, "FOR NO KEY UPDATE OF w", "")]),
    # Two who seal at once find the same end of the chain.
    "audit.without_head_lock": lambda: Control(
        edits=[(audit.SQL.lock_head, "FOR UPDATE SKIP LOCKED", "")], ddl=["ALTER TABLE audit_seals DROP CONSTRAINT audit_seals_pkey"]
    ),
    # Holds are not locked, so whoever ends one does not exclude whoever pays for it.
    "inventory.without_hold_lock": lambda: Control(
        edits=[(inventory.SQL.lock_holds, "FOR UPDATE", ""), (bookings.SQL.lock, "FOR NO KEY UPDATE", "")],
    ),
}


@asynccontextmanager
async def without(guard: str | None, owner_url: str) -> AsyncIterator[None]:
    """Run a block with one guard taken away; with None nothing is changed."""
    if guard is None:
        yield
        return
    async with taken_away(guard, CONTROLS[guard](), owner_url):
        yield


@asynccontextmanager
async def taken_away(guard: str, control: Control, owner_url: str) -> AsyncIterator[None]:
    """Run a block with a control of a suite's own applied."""
    edited: list[tuple[Query, Any]] = []
    replaced: list[tuple[object, str, object]] = []
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as connection:
        for statement in control.ddl:
            await connection.execute(statement.encode())
    try:
        for query, old, new in control.edits:
            assert old in query.text, f"{guard}: {query.name} no longer says {old!r}"
            edited.append((query, query.text))
            query.text = query.text.replace(old, new)
        for place, name, value in control.attributes:
            replaced.append((place, name, getattr(place, name)))
            setattr(place, name, value)
        yield
    finally:
        # Backwards, because a statement may have been edited twice.
        for query, text in reversed(edited):
            query.text = text
        for replaced_in, name, value in reversed(replaced):
            setattr(replaced_in, name, value)
