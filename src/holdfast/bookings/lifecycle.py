"""What the moves of a booking have in common: the locks in their order, and what is announced."""

from collections.abc import Mapping, Sequence
from typing import TypedDict
from uuid import UUID

from msgspec import Struct

from holdfast import events
from holdfast.bookings import repository
from holdfast.bookings.errors import ChangeCostsMore, ChangeOfPayee
from holdfast.bookings.events import BookingCancelled, BookingChanged, BookingConfirmed, BookingEvent, BookingExpired
from holdfast.bookings.models import Booking, BookingId
from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.actor import UserId
from holdfast.common.errors import Refusal
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.inventory import ChangeRefused, Hold, HoldId, Inventory, Pool, PoolId, Shortage, after, quantities
from holdfast.resources.kind import Kinds, Wanted


class Locked(Struct, frozen=True):
    """Bookings with their holds and pools, all locked in that order: what is read here stays true until the commit."""

    bookings: Mapping[BookingId, Booking]
    holds: Mapping[HoldId, Hold]
    pools: Mapping[PoolId, Pool]


async def lock_all(tx: Tx, inventory: Inventory, ids: Sequence[BookingId]) -> Locked:
    """Lock holds, bookings and the pools of both their held and their sold lines."""
    hold_ids = [HoldId.of(booking_id) for booking_id in ids]
    holds = await inventory.lock_holds(tx, hold_ids)
    bookings = await repository.lock(tx, ids)
    pools = await inventory.lock_pools(tx, await inventory.pools_of(tx, hold_ids))
    return Locked(bookings, holds, pools)


class Lifecycle:
    """Ends bookings and says so."""

    def __init__(self, inventory: Inventory, kinds: Kinds) -> None:
        self._inventory = inventory
        self._kinds = kinds

    async def end(self, tx: Tx, locked: Locked, ids: Sequence[BookingId], to: BookingState, reason: EndReason) -> list[Booking]:
        """Give back what bookings hold or have bought, and move them; returns those that moved. All is locked."""
        hold_ids = [HoldId.of(booking_id) for booking_id in ids]
        released = await self._inventory.release(tx, hold_ids)
        returned = await self._inventory.give_back(tx, hold_ids)
        pools = after(after(locked.pools, quantities(released), held=-1), quantities(returned), sold=-1)
        ended = await repository.end(tx, ids, to, reason)
        if returned:
            await self.changed(tx, ended, pools)
        await events.publish(tx, [_ending(booking, locked.bookings[booking.id], reason, pools) for booking in ended])
        return ended

    async def change(self, tx: Tx, booking: Booking, wanted: Wanted) -> Booking:
        """Make a confirmed booking one of something else; the booking as it is now. Holds and booking are locked, pools are not.

        Raises what its kind refuses with, ChangeCostsMore, ChangeOfPayee; then the caller rolls back, and nothing was given up.
        """
        kind = self._kinds[booking.kind]
        resolved = (await kind.resolve(tx, [wanted]))[0]
        if isinstance(resolved, Refusal):
            raise resolved
        if resolved.payee != booking.payee_id:
            raise ChangeOfPayee
        more = resolved.fare - Amount(booking.currency, booking.fare)
        if more.minor > 0:
            raise ChangeCostsMore(more=str(more))
        try:
            change = await self._inventory.change(tx, resolved.claim(booking.hold_id))
        except ChangeRefused as refused:
            raise kind.refusal_of(refused.shortage) from refused
        closed = next((pool for pool in change.pools.values() if pool.owner_id == booking.owner_id and pool.closed_at), None)
        if closed is not None:
            raise kind.refusal_of(Shortage(closed.id, free=0, closed=True))
        changed = await repository.change(tx, booking.id, wanted, resolved.taking(change.lines))
        await self.changed(tx, [changed], change.pools)
        await events.publish(tx, [BookingChanged(**_facts(changed, change.pools), payee_id=changed.payee_id)])
        return changed

    async def changed(self, tx: Tx, bookings: Sequence[Booking], pools: Mapping[PoolId, Pool]) -> None:
        """Let the kinds of these bookings know that units were sold or came back."""
        for kind in sorted({booking.kind for booking in bookings}):
            await self._kinds[kind].changed(tx, pools)


def left(owner_id: UUID, pools: Mapping[PoolId, Pool]) -> tuple[int, int]:
    """What an owner has left, and the version of its pools that says so."""
    own = [pool for pool in pools.values() if pool.owner_id == owner_id]
    open_pools = [pool for pool in own if pool.closed_at is None]
    return min((pool.free for pool in open_pools), default=0), max((pool.version for pool in own), default=0)


def expired(booking: Booking, pools: Mapping[PoolId, Pool]) -> BookingExpired:
    return BookingExpired(**_facts(booking, pools))


def confirmed(booking: Booking, pools: Mapping[PoolId, Pool], *, retaken: bool = False) -> BookingConfirmed:
    return BookingConfirmed(**_facts(booking, pools), payee_id=booking.payee_id, retaken=retaken)


def _ending(booking: Booking, before: Booking, reason: EndReason, pools: Mapping[PoolId, Pool]) -> BookingEvent:
    if booking.status is BookingState.EXPIRED:
        return expired(booking, pools)
    was_confirmed = before.status is BookingState.CONFIRMED
    return BookingCancelled(**_facts(booking, pools), was_confirmed=was_confirmed, reason=reason)


class _Facts(TypedDict):
    version: int
    booking_id: BookingId
    customer_id: UserId
    kind: str
    owner_id: UUID
    quantity: int
    available: int
    pool_version: int


def _facts(booking: Booking, pools: Mapping[PoolId, Pool]) -> _Facts:
    available, version = left(booking.owner_id, pools)
    return {
        "version": booking.version,
        "booking_id": booking.id,
        "customer_id": booking.customer_id,
        "kind": booking.kind,
        "owner_id": booking.owner_id,
        "quantity": booking.quantity,
        "available": available,
        "pool_version": version,
    }
