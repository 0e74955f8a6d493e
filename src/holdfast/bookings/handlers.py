"""What bookings do about others' events, and about the passing of time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import psycopg
import structlog

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.bookings import repository
from holdfast.bookings.events import BookingCancelled, BookingConfirmed, BookingExpired, BookingExtended, BookingHeld
from holdfast.bookings.lifecycle import Lifecycle, expired, lock_all
from holdfast.bookings.models import PAYABLE_KIND, Booking, BookingId
from holdfast.bookings.states import BookingState, EndReason
from holdfast.cache import Marks
from holdfast.common.actor import SYSTEM
from holdfast.common.errors import Overloaded
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import Database, OutcomeUnknown, Tx, retried
from holdfast.database.retries import ConnectionLost
from holdfast.events import Event, Recorded
from holdfast.inventory import HoldId, Inventory, Pool, PoolId
from holdfast.payments import refunds
from holdfast.payments.refunds import RefundRequest
from holdfast.payments.states import RefundReason
from holdfast.resources.events import CalledOff, SalesClosed
from holdfast.sessions.models import SessionId

CALL_OFF_BATCH = 50
EXPIRE_BATCH = 200
NAP_S_MAX = 1.0
REST = 0.5
"""How long the expiry rests after each batch, in the time that it took: when much lapses at once, sales go on beside it."""

log = structlog.get_logger()


class HoldEnds:
    """Bookings own the holds: told in the same commit that lapsed ones were given back."""

    async def given_back(self, tx: Tx, hold_ids: Sequence[HoldId], pools: Mapping[PoolId, Pool]) -> None:
        """Mark their bookings EXPIRED, and say so."""
        ended = await repository.end(tx, hold_ids, BookingState.EXPIRED, EndReason.LAPSED)
        await events.publish(tx, [expired(booking, pools) for booking in ended])


class CallingOff:
    """Follows owners that stop selling. In batches of 50, each a commit, until nothing is left; safe to repeat."""

    name = "bookings.calling_off"
    wants: frozenset[type[Event]] = frozenset({CalledOff, SalesClosed})

    def __init__(self, database: Database, inventory: Inventory, lifecycle: Lifecycle) -> None:
        self._database = database
        self._inventory = inventory
        self._lifecycle = lifecycle

    async def follow(self, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            if isinstance(each.event, CalledOff):
                while await self._call_off_some(each.event.pools):
                    pass
            elif isinstance(each.event, SalesClosed):
                while await self._give_back_some(each.event.pools):
                    pass

    @retried
    async def _give_back_some(self, pool_ids: Sequence[PoolId]) -> int:
        """Unpaid holds on closed pools are given back and their bookings expire; returns how many it were."""
        async with self._database.transaction() as tx:
            hold_ids = await self._inventory.holds_on(tx, pool_ids, CALL_OFF_BATCH)
            if not hold_ids:
                return 0
            locked = await lock_all(tx, self._inventory, [BookingId.of(hold_id) for hold_id in hold_ids])
            # Where a pool was opened again since its holds were found, they stay, or were even paid for.
            closed = await self._inventory.closed(tx, hold_ids)
            unpaid = [b.id for b in locked.bookings.values() if b.status is BookingState.PENDING and b.hold_id in closed]
            await self._lifecycle.end(tx, locked, unpaid, BookingState.EXPIRED, EndReason.SALES_CLOSED)
            return len(unpaid)

    @retried
    async def _call_off_some(self, pool_ids: Sequence[PoolId]) -> int:
        """Bookings on pools that were called off are cancelled, and all of their money goes back; returns how many were found."""
        async with self._database.transaction() as tx:
            ids = await repository.some_open_of(tx, pool_ids, CALL_OFF_BATCH)
            if not ids:
                return 0
            locked = await lock_all(tx, self._inventory, ids)
            open_ids = [b.id for b in locked.bookings.values() if b.status in (BookingState.PENDING, BookingState.CONFIRMED)]
            ended = await self._lifecycle.end(tx, locked, open_ids, BookingState.CANCELLED, EndReason.CALLED_OFF)
            paid = [booking for booking in ended if locked.bookings[booking.id].status is BookingState.CONFIRMED]
            await refunds.request(tx, SYSTEM, [_all_of(booking) for booking in paid])
            deeds = [
                Deed(SYSTEM, "booking.called_off", b.id, before={"status": locked.bookings[b.id].status}, after={"status": b.status})
                for b in ended
            ]
            await audit.record(tx, deeds)
            return len(ids)


class ShowHolds:
    """Follows bookings and keeps ``hold:{id}`` in Redis, with its TTL, for others to see. Nothing of ours waits for it."""

    name = "bookings.hold_keys"
    wants: frozenset[type[Event]] = frozenset({BookingHeld, BookingExtended, BookingConfirmed, BookingExpired, BookingCancelled})

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    async def follow(self, recorded: Sequence[Recorded]) -> None:
        live: dict[HoldId, tuple[SessionId, datetime]] = {}
        gone: set[HoldId] = set()
        for each in recorded:
            match each.event:
                case BookingHeld(booking_id=booking_id, owner_id=owner_id, expires_at=until):
                    live[HoldId.of(booking_id)] = (SessionId.of(owner_id), until)
                case BookingExtended(booking_id=booking_id, owner_id=owner_id, expires_at=until):
                    live[HoldId.of(booking_id)] = (SessionId.of(owner_id), until)
                case (
                    BookingConfirmed(booking_id=booking_id)
                    | BookingExpired(booking_id=booking_id)
                    | BookingCancelled(booking_id=booking_id)
                ):
                    live.pop(HoldId.of(booking_id), None)
                    gone.add(HoldId.of(booking_id))
        by_deadline: defaultdict[datetime, dict[Id, Id]] = defaultdict(dict)
        for hold_id, (session_id, until) in live.items():
            by_deadline[until][hold_id] = session_id
        for until, sessions in by_deadline.items():
            await self._marks.place_holds(sessions, until - datetime.now(UTC))
        await self._marks.remove_holds(sorted(gone))


class Expiry:
    """Gives lapsed holds back promptly. Nothing depends on it: a claim gives back what is in its way itself."""

    def __init__(self, database: Database, inventory: Inventory) -> None:
        self._database = database
        self._inventory = inventory

    async def run(self) -> None:
        """Until cancelled: sleep until the next deadline, at most a second, then give back what has lapsed."""
        while True:
            try:
                began = time.monotonic()
                is_done = not await self.expire_some()
                await asyncio.sleep(await self._nap() if is_done else (time.monotonic() - began) * REST)
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("expiry_waits", reason=str(error))
                await asyncio.sleep(NAP_S_MAX)

    @retried
    async def expire_some(self) -> int:
        """Give back one batch of lapsed holds; returns how many it were."""
        async with self._database.transaction() as tx:
            return await self._inventory.expire(tx, EXPIRE_BATCH)

    async def _nap(self) -> float:
        async with self._database.reading() as tx:
            seconds = await self._inventory.seconds_until_next_deadline(tx)
        return NAP_S_MAX if seconds is None else min(max(seconds, 0.02), NAP_S_MAX)


def _all_of(booking: Booking) -> RefundRequest:
    fare, fee = Amount(booking.currency, booking.fare), Amount(booking.currency, booking.service_fee)
    return RefundRequest(PAYABLE_KIND, booking.id, fare, fee, RefundReason.CALLED_OFF)
