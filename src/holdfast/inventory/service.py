"""Taking units and giving them back, for sets of requests, inside the caller's transaction.

The order of locks is in ``docs/explain/locking.md``: holds, bookings, pools. A transaction locks pools once, all at a time,
and after that nothing for which it would wait: lapsed holds in the way are taken only where nobody has them, and their other pools too.
``confirm``, ``release``, ``give_back`` and ``extend`` lock nothing and want the rows locked.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from holdfast.database import Tx
from holdfast.inventory import repository
from holdfast.inventory.counting import after, at_most, quantities
from holdfast.inventory.decision import decide
from holdfast.inventory.models import (
    CapacityInUse,
    Change,
    ChangeRefused,
    Claim,
    ClaimRequest,
    Free,
    Hold,
    HoldId,
    MovedLine,
    NewPool,
    Pool,
    PoolId,
    Shortage,
)

LAPSED_MAX = 500
"""How many lapsed holds are given back for a pool that is to become smaller; the worker does the rest."""


class HoldOwner(Protocol):
    """Whoever made the holds: told, inside the same commit, that lapsed ones were given back."""

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None: ...


class NobodyOwnsHolds:
    """The owner until wiring names one: there are no holds yet."""

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
        raise AssertionError(f"nobody to tell about {len(hold_ids)} lapsed holds")


class Inventory:
    """The core. ``owner`` is wired in once, by ``app/wiring.py``."""

    def __init__(self) -> None:
        self.owner: HoldOwner = NobodyOwnsHolds()

    async def open_pools(self, tx: Tx, pools: Sequence[NewPool]) -> None:
        """Open new pools, nothing held and nothing sold."""
        await repository.open_pools(tx, pools)

    async def claim(self, tx: Tx, requests: Sequence[ClaimRequest], *, anew: Sequence[HoldId] = ()) -> Claim:
        """Take units for each request, all lines or none, in order of arrival; lapsed holds in the way are given back.

        ``anew``: lapsed holds, locked by the caller, which end with it, so that a request may have the id of one.
        Locks every pool, and where it falls short lapsed holds, without waiting. Raises psycopg's LockNotAvailable where a pool stays
        locked for 250 ms, and LockedTwice in a transaction that has locked others.
        """
        return await self._claim(tx, requests, anew=anew)

    async def change(self, tx: Tx, request: ClaimRequest) -> Change:
        """Swap what was sold under a hold for other lines, which may overlap with them; the hold's booking is locked.

        All pools, old and new, are locked at once (the other way round two changes crosswise deadlock), the old lines are given
        back, and the new ones claimed and sold. Raises ChangeRefused where they cannot be had, and then the caller rolls back, so
        that nothing was given up; also what ``claim`` raises.
        """
        claim = await self._claim(tx, [request], changed=[request.hold])
        if request.hold in claim.refused:
            raise ChangeRefused(claim.refused[request.hold])
        moved = await repository.confirm(tx, [request.hold])
        assert moved, "a hold granted in this transaction can be confirmed in it"
        pools = after(claim.pools, quantities(claim.lines[request.hold]), held=-1, sold=1)
        return Change(claim.lines[request.hold], pools)

    async def _claim(
        self, tx: Tx, requests: Sequence[ClaimRequest], *, anew: Sequence[HoldId] = (), changed: Sequence[HoldId] = ()
    ) -> Claim:
        """``anew`` and ``changed``: what is held under these holds, and what was sold under those, is given back first."""
        wanted = {pool for request in requests for pool in request.pools}
        if anew:
            wanted |= set(await repository.pools_of_holds(tx, anew))
        if changed:
            wanted |= set(await repository.pools_of_sales(tx, changed))
        pools = await repository.lock_pools(tx, sorted(wanted))
        if anew:
            pools = after(pools, quantities(await repository.give_back_held(tx, anew)), held=-1)
        if changed:
            pools = after(pools, quantities(await repository.give_back_sold(tx, changed)), sold=-1)
        granted, refused = decide(requests, pools)
        lapsed: list[HoldId] = []
        if fell_short := [request for request in requests if request.hold in refused and not refused[request.hold].closed]:
            lapsed, pools = await self._give_back_lapsed(tx, await repository.lock_lapsed(tx, at_most(fell_short)), pools)
            if lapsed:
                granted, refused = decide(requests, pools)
        holds = await repository.grant(tx, granted) if granted else {}
        pools = after(pools, quantities(line for request in granted for line in request.lines), held=1)
        if ended := [*anew, *lapsed]:
            await self.owner.given_back(tx, ended, pools)
        return Claim(holds, {request.hold: request.lines for request in granted}, await _with_outlook(tx, refused), pools)

    async def _give_back_lapsed(
        self, tx: Tx, lapsed: Sequence[HoldId], locked: Mapping[PoolId, Pool]
    ) -> tuple[list[HoldId], dict[PoolId, Pool]]:
        """Give back lapsed holds, which are locked. Returns those that were given back, and the locked pools as they then stand.

        Waits for nothing. A hold of which one pool is not to be had now is left for the next time.
        """
        pools = dict(locked)
        if not lapsed:
            return [], pools
        others = set(await repository.pools_of_holds(tx, lapsed)) - pools.keys()
        if others:
            pools |= await repository.lock_pools_nobody_has(tx, sorted(others))
        if not pools.keys() >= others:
            lines = await repository.lines_of_holds(tx, lapsed)
            stuck = {line.hold_id for line in lines if line.pool_id not in pools}
            lapsed = [hold_id for hold_id in lapsed if hold_id not in stuck]
            if not lapsed:
                return [], pools
        return list(lapsed), after(pools, quantities(await repository.give_back_held(tx, lapsed)), held=-1)

    async def resize(self, tx: Tx, pool_id: PoolId, capacity: int) -> Pool:
        """Change the capacity of a pool while it sells; lapsed holds in the way are given back, some 500 at most.

        The pool as it is now, still locked. Raises CapacityInUse where more is held and sold, LookupError where there is no such pool, and
        what ``claim`` raises.
        """
        pools: Mapping[PoolId, Pool] = await repository.lock_pools(tx, [pool_id])
        if pool_id not in pools:
            raise LookupError(pool_id)
        over = pools[pool_id].held + pools[pool_id].sold - capacity
        if over > 0:
            found = await repository.lock_lapsed(tx, {pool_id: min(over, LAPSED_MAX)})
            lapsed, pools = await self._give_back_lapsed(tx, found, pools)
            if lapsed:
                await self.owner.given_back(tx, lapsed, pools)
        pool = pools[pool_id]
        if capacity < pool.held + pool.sold:
            raise CapacityInUse(pool_id, pool.held + pool.sold)
        await repository.resize(tx, pool_id, capacity)
        return msgspec.structs.replace(pool, capacity=capacity, version=pool.version + 1)

    async def lock_holds(self, tx: Tx, hold_ids: Sequence[HoldId]) -> Mapping[HoldId, Hold]:
        """Lock holds, by id; those that are gone are not in the answer."""
        return await repository.lock_holds(tx, hold_ids) if hold_ids else {}

    async def lock_pools(self, tx: Tx, pool_ids: Collection[PoolId]) -> Mapping[PoolId, Pool]:
        """Lock pools, by id, once per transaction; they come back fresh."""
        return await repository.lock_pools(tx, sorted(pool_ids)) if pool_ids else {}

    def has_locked_pools(self, tx: Tx) -> bool:
        """Whether this transaction has locked its pools, so that it can claim no others."""
        return "pools" in tx.locked

    async def pools_of(self, tx: Tx, hold_ids: Sequence[HoldId]) -> list[PoolId]:
        """The pools that holds have lines of, and those that they sold, for ``lock_pools``."""
        if not hold_ids:
            return []
        held = await repository.pools_of_holds(tx, hold_ids)
        sold = await repository.pools_of_sales(tx, hold_ids)
        return sorted({*held, *sold})

    async def lines_of(self, tx: Tx, hold_ids: Sequence[HoldId]) -> dict[HoldId, list[MovedLine]]:
        """What each hold has. The holds are locked, so it stays true."""
        return _by_hold(await repository.lines_of_holds(tx, hold_ids)) if hold_ids else {}

    async def closed(self, tx: Tx, hold_ids: Sequence[HoldId]) -> dict[HoldId, PoolId]:
        """Those holds that touch a closed pool, with one of these. Without the pools' locks it says no more than how it was."""
        return await repository.closed_pools_of_holds(tx, hold_ids) if hold_ids else {}

    async def confirm(self, tx: Tx, hold_ids: Sequence[HoldId]) -> dict[HoldId, list[MovedLine]]:
        """Held becomes sold. A hold that lapsed, is gone or touches a closed pool is not in the answer and keeps what it has."""
        return _by_hold(await repository.confirm(tx, hold_ids)) if hold_ids else {}

    async def release(self, tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
        """End holds, live or lapsed, and give their lines back."""
        return await repository.give_back_held(tx, hold_ids) if hold_ids else []

    async def give_back(self, tx: Tx, hold_ids: Sequence[HoldId]) -> list[MovedLine]:
        """Give back what was sold under these holds."""
        return await repository.give_back_sold(tx, hold_ids) if hold_ids else []

    async def extend(self, tx: Tx, hold_id: HoldId, until: datetime) -> Hold | None:
        """Move the deadline of a live hold, later only; None where it lapsed."""
        return await repository.extend(tx, hold_id, until)

    async def close(self, tx: Tx, pool_ids: Sequence[PoolId]) -> None:
        """Sets ``closed_at`` and nothing else; the pools are locked. Claims and confirmations are refused from here on."""
        await repository.close(tx, pool_ids)

    async def reopen(self, tx: Tx, pool_ids: Sequence[PoolId]) -> None:
        """Take back ``closed_at``; the pools are locked. Claims and confirmations are possible again."""
        await repository.reopen(tx, pool_ids)

    async def expire(self, tx: Tx, limit: int) -> int:
        """Give back at most ``limit`` lapsed holds, beginning with the pools of the longest lapsed; returns how many it were.

        Waits for nothing. A hold of which one pool is not to be had now is left for the next time.
        """
        lapsed, pools = await self._give_back_lapsed(tx, await repository.lock_some_lapsed(tx, limit), {})
        if lapsed:
            await self.owner.given_back(tx, lapsed, pools)
        return len(lapsed)

    async def free(self, tx: Tx, pool_ids: Sequence[PoolId]) -> Mapping[PoolId, Free]:
        """What pools have to offer, for showing: capacity less sold less live holds."""
        return await repository.free(tx, pool_ids) if pool_ids else {}

    async def seconds_until_next_deadline(self, tx: Tx) -> float | None:
        """How long the worker may sleep before the next hold lapses; None where there is no hold."""
        return await repository.seconds_until_next_deadline(tx)

    async def holds_on(self, tx: Tx, pool_ids: Sequence[PoolId], limit: int) -> list[HoldId]:
        """At most ``limit`` holds, live or lapsed, on these pools: what closing gives back."""
        return await repository.holds_on_pools(tx, pool_ids, limit)


async def _with_outlook(tx: Tx, refused: Mapping[HoldId, Shortage]) -> dict[HoldId, Shortage]:
    """Refusals with what is to be expected of the pools that fell short."""
    short = sorted({shortage.pool for shortage in refused.values() if not shortage.closed})
    if not short:
        return dict(refused)
    deadlines = await repository.next_deadlines(tx, short)
    left = await repository.pools_with_lapsed(tx, short)
    return {
        hold: msgspec.structs.replace(shortage, may_free_up_at=deadlines.get(shortage.pool), momentary=shortage.pool in left)
        for hold, shortage in refused.items()
    }


def _by_hold(lines: Sequence[MovedLine]) -> dict[HoldId, list[MovedLine]]:
    found: dict[HoldId, list[MovedLine]] = {}
    for line in lines:
        found.setdefault(line.hold_id, []).append(line)
    return found
