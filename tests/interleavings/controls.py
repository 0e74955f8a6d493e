"""Guards taken away on purpose, each with the scenario in which that must be found. What stays green without its guard proves nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.controls import CONTROLS, Control

from holdfast.bookings import handlers, service
from holdfast.bookings import repository as bookings
from holdfast.bookings.handlers import CallingOff
from holdfast.bookings.lifecycle import Locked, lock_all
from holdfast.bookings.models import BookingId
from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.actor import Actor
from holdfast.database import Tx
from holdfast.inventory import Change, ChangeRefused, ClaimRequest, HoldId, Inventory, Pool, PoolId
from holdfast.inventory import repository as inventory
from holdfast.sessions import repository as sessions
from holdfast.sessions.models import Session, SessionId
from holdfast.sessions.service import SessionService
from holdfast.sessions.states import SessionState

_WITHOUT_COUNTERS = "ALTER TABLE pools DROP CONSTRAINT pools_counters"


@dataclass(frozen=True)
class Sabotage:
    """A guard that is taken away, and where that must show."""

    control: Callable[[], Control]
    scenario: str


async def _pools_first(tx: Tx, core: Inventory, ids: Sequence[BookingId]) -> Locked:
    hold_ids = [HoldId.of(booking_id) for booking_id in ids]
    pools = await core.lock_pools(tx, await core.pools_of(tx, hold_ids))
    holds = await core.lock_holds(tx, hold_ids)
    return Locked(await bookings.lock(tx, ids), holds, pools)


_end_session = SessionService._end


async def _session_first(
    self: SessionService, tx: Tx, actor: Actor, session_id: SessionId, to: SessionState, note: str | None
) -> tuple[Session, Session]:
    await sessions.lock(tx, session_id)
    return await _end_session(self, tx, actor, session_id, to, note)


async def _lock_pools_again(tx: Tx, pool_ids: Sequence[PoolId]) -> dict[PoolId, Pool]:
    return {pool.id: pool for pool in await tx.all(inventory.SQL.lock_pools, Pool, ids=list(pool_ids))}


async def _new_then_old(self: Inventory, tx: Tx, request: ClaimRequest) -> Change:
    claim = await self.claim(tx, [request])
    if request.hold in claim.refused:
        raise ChangeRefused(claim.refused[request.hold])
    old = await _lock_pools_again(tx, await inventory.pools_of_sales(tx, [request.hold]))
    await inventory.give_back_sold(tx, [request.hold])
    await inventory.confirm(tx, [request.hold])
    return Change(claim.lines[request.hold], {**old, **claim.pools})


async def _give_back_what_was_found(self: CallingOff, pool_ids: Sequence[PoolId]) -> int:
    async with self._database.transaction() as tx:
        ids = [BookingId.of(hold_id) for hold_id in await self._inventory.holds_on(tx, pool_ids, 50)]
        if ids:
            locked = await lock_all(tx, self._inventory, ids)
            await self._lifecycle.end(tx, locked, ids, BookingState.EXPIRED, EndReason.SALES_CLOSED)
        return len(ids)


SABOTAGES: Mapping[str, Sabotage] = {
    "the lock of pools": Sabotage(CONTROLS["inventory.without_pool_lock"], "two want the last seat"),
    "the lock of holds": Sabotage(CONTROLS["inventory.without_hold_lock"], "money against release"),
    "keys": Sabotage(CONTROLS["idempotency.without_keys"], "one key twice"),
    # A claim waits for the row of a lapsed hold, and judges whether it has lapsed by what was true before the wait.
    "the second look at a lapsed hold": Sabotage(
        lambda: Control(
            edits=[
                (inventory.SQL.lock_lapsed, "FROM locked WHERE expires_at <= business_now()", "FROM locked"),
                (inventory.SQL.lock_lapsed, "FOR UPDATE SKIP LOCKED", "FOR UPDATE"),
            ]
        ),
        "extending, a claim and the deadline",
    ),
    # Rule 5: the row is fresh after the wait, and what is counted beside it is not.
    "counting after the wait": Sabotage(
        lambda: Control(
            edits=[
                (
                    inventory.SQL.lock_pools,
                    "capacity, held, sold,",
                    "capacity, (SELECT coalesce(sum(l.quantity), 0) FROM hold_lines l WHERE l.pool_id = pools.id)::integer AS held, sold,",
                )
            ],
            ddl=[_WITHOUT_COUNTERS],
        ),
        "two want the last seat",
    ),
    "waiting for pools": Sabotage(
        lambda: Control(edits=[(inventory.SQL.lock_pools, "FOR NO KEY UPDATE", "FOR NO KEY UPDATE SKIP LOCKED")]), "two want two of three"
    ),
    "waiting for holds": Sabotage(
        lambda: Control(edits=[(inventory.SQL.lock_holds, "FOR UPDATE", "FOR UPDATE SKIP LOCKED")]), "money against beginning to pay"
    ),
    "waiting for bookings": Sabotage(
        lambda: Control(edits=[(bookings.SQL.lock, "FOR NO KEY UPDATE", "FOR NO KEY UPDATE SKIP LOCKED")]), "cancel against calling off"
    ),
    "not waiting for lapsed holds": Sabotage(
        lambda: Control(edits=[(inventory.SQL.lock_lapsed, "FOR UPDATE SKIP LOCKED", "FOR UPDATE")]),
        "late money against two nights",
    ),
    # Wide requests lock upwards, narrow ones downwards.
    "the order of pools": Sabotage(
        lambda: Control(
            edits=[(inventory.SQL.lock_pools, "ORDER BY id", "ORDER BY CASE cardinality(%(ids)s::uuid[]) WHEN 3 THEN id END, id DESC")]
        ),
        "three nights, two, and one in the middle",
    ),
    "holds before pools": Sabotage(
        lambda: Control(attributes=[(service, "lock_all", _pools_first), (handlers, "lock_all", _pools_first)]), "money against release"
    ),
    "pools before sessions": Sabotage(lambda: Control(attributes=[(SessionService, "_end", _session_first)]), "money against close"),
    # A claim has its pools, and waits for the others of the lapsed hold that it finds in its way.
    "not waiting for the pools of lapsed holds": Sabotage(
        lambda: Control(attributes=[(inventory, "lock_pools_nobody_has", _lock_pools_again)]),
        "claims of two nights and of the second, which lapsed together",
    ),
    # A change claims the new, and locks the old only then.
    "old and new pools at once": Sabotage(
        lambda: Control(attributes=[(Inventory, "change", _new_then_old), (inventory, "lock_pools", _lock_pools_again)]),
        "changes crosswise where there is room",
    ),
    "the lock of a pool that is resized": Sabotage(CONTROLS["inventory.without_pool_lock"], "fewer units against a claim"),
    "closed pools in a claim": Sabotage(CONTROLS["inventory.without_closed_check"], "claim against leaving"),
    "closed pools in a confirmation": Sabotage(
        lambda: Control(edits=[(inventory.SQL.confirm, "AND p.closed_at IS NOT NULL", "AND false")]), "money against close"
    ),
    # What is given back is what was found, whatever has become of it since.
    "the second look at what is given back": Sabotage(
        lambda: Control(attributes=[(CallingOff, "_give_back_some", _give_back_what_was_found)]), "closed, opened again, and money"
    ),
    "giving back what was deleted": Sabotage(CONTROLS["inventory.without_returning"], "release against leaving"),
    "selling what was deleted": Sabotage(CONTROLS["inventory.without_lines_on_confirm"], "late money against expiry"),
    "the deadline in a confirmation": Sabotage(
        lambda: Control(edits=[(inventory.SQL.confirm, "AND h.expires_at > business_now()", "")]), "money against the deadline"
    ),
}
