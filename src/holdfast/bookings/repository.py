"""The statements of bookings, one function each."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from holdfast.bookings.models import Booking, BookingId, BookingItem
from holdfast.bookings.states import BOOKING, BookingState, EndReason
from holdfast.common.actor import UserId
from holdfast.common.ids import first_id_of
from holdfast.database import Tx, queries
from holdfast.inventory import PoolId
from holdfast.resources.kind import Resolved, Wanted

SQL = queries(__file__)


class NewBooking(Struct, frozen=True):
    """A booking to be written with the hold that was granted for it."""

    booking: Booking
    resolved: Resolved


class Unpaid(Struct, frozen=True):
    """Holds that somebody had and did not pay for, and when the first of them was made."""

    count: int
    first_at: datetime


class _Holds(Struct, frozen=True):
    customer_id: UserId
    owner_id: UUID | None
    holds: int
    first_at: datetime


class _Id(Struct, frozen=True):
    id: BookingId


async def insert_held(tx: Tx, new: Sequence[NewBooking]) -> None:
    bookings = [each.booking for each in new]
    items = [(each.booking.id, line) for each in new for line in each.resolved.lines]
    await tx.run(
        SQL.insert_held,
        ids=[booking.id for booking in bookings],
        customer_ids=[booking.customer_id for booking in bookings],
        kinds=[booking.kind for booking in bookings],
        owner_ids=[booking.owner_id for booking in bookings],
        quantities=[booking.quantity for booking in bookings],
        fares=[booking.fare for booking in bookings],
        service_fees=[booking.service_fee for booking in bookings],
        currencies=[booking.currency for booking in bookings],
        payee_ids=[booking.payee_id for booking in bookings],
        held_untils=[booking.held_until for booking in bookings],
        available_afters=[booking.available_after for booking in bookings],
        created_ats=[booking.created_at for booking in bookings],
        item_booking_ids=[booking_id for booking_id, _ in items],
        item_pool_ids=[line.pool for _, line in items],
        item_quantities=[line.quantity for _, line in items],
        item_amounts=[line.amount.minor for _, line in items],
        item_currencies=[line.amount.currency for _, line in items],
    )


async def change(tx: Tx, booking_id: BookingId, wanted: Wanted, resolved: Resolved) -> Booking:
    """Make a confirmed booking one of something else, at the fare of that; it is locked."""
    await tx.run(SQL.delete_items, id=booking_id)
    await tx.run(
        SQL.insert_items,
        id=booking_id,
        pool_ids=[line.pool for line in resolved.lines],
        quantities=[line.quantity for line in resolved.lines],
        amounts=[line.amount.minor for line in resolved.lines],
        currency=resolved.fare.currency,
    )
    (changed,) = await tx.all(
        SQL.change, Booking, id=booking_id, owner_id=wanted.owner_id, quantity=wanted.quantity, fare=resolved.fare.minor
    )
    return changed


async def count_holds(
    tx: Tx, customer_ids: Sequence[UserId], owner_ids: Sequence[UUID], within: timedelta, *, live_from: int, unpaid_from: int
) -> tuple[Mapping[UserId, int], Mapping[tuple[UserId, UUID], Unpaid]]:
    """How many live holds customers have, and how often they held what owners offer ``within`` a time without paying; where it is so
    many or more.
    """
    # Ids are made by the clock of the app and times by that of the database: an hour more covers whatever they disagree about.
    since_id = first_id_of(round((time.time() - within.total_seconds() - 3600) * 1000))
    rows = await tx.all(
        SQL.count_holds,
        _Holds,
        customer_ids=list(customer_ids),
        owner_ids=list(owner_ids),
        since_id=since_id,
        within=within,
        live_from=live_from,
        unpaid_from=unpaid_from,
    )
    live = {row.customer_id: row.holds for row in rows if row.owner_id is None}
    return live, {(row.customer_id, row.owner_id): Unpaid(row.holds, row.first_at) for row in rows if row.owner_id is not None}


async def get(tx: Tx, ids: Sequence[UUID]) -> dict[BookingId, Booking]:
    return {booking.id: booking for booking in await tx.all(SQL.get, Booking, ids=list(ids))}


async def lock(tx: Tx, ids: Sequence[UUID]) -> dict[BookingId, Booking]:
    return {booking.id: booking for booking in await tx.all(SQL.lock, Booking, ids=list(ids))}


async def history(tx: Tx, customer_id: UserId, before: BookingId | None, status: BookingState | None, limit: int) -> list[Booking]:
    return await tx.all(SQL.history, Booking, customer_id=customer_id, before=before, status=status, limit=limit)


async def items(tx: Tx, ids: Sequence[BookingId]) -> dict[BookingId, list[BookingItem]]:
    found: dict[BookingId, list[BookingItem]] = {}
    for item in await tx.all(SQL.items, BookingItem, ids=list(ids)):
        found.setdefault(item.booking_id, []).append(item)
    return found


async def end(tx: Tx, ids: Sequence[UUID], to: BookingState, reason: EndReason) -> list[Booking]:
    """The bookings that moved; those whose state has no such move are left as they are."""
    sources = [state.value for state in BOOKING.sources(to)]
    return await tx.all(SQL.end, Booking, ids=list(ids), status=to.value, reason=reason.value, sources=sources)


async def confirm(tx: Tx, ids: Sequence[UUID]) -> list[Booking]:
    sources = [state.value for state in BOOKING.sources(BookingState.CONFIRMED)]
    return await tx.all(SQL.confirm, Booking, ids=list(ids), sources=sources)


async def check_in(tx: Tx, booking_id: BookingId) -> Booking | None:
    return await tx.first(SQL.check_in, Booking, id=booking_id)


async def mark_extended(tx: Tx, booking_id: BookingId) -> int:
    """The new version. The booking is locked and was not extended before."""
    version: int = await tx.value(SQL.mark_extended, id=booking_id)
    return version


async def some_open_of(tx: Tx, pool_ids: Sequence[PoolId], limit: int) -> list[BookingId]:
    return [row.id for row in await tx.all(SQL.some_open_of, _Id, pool_ids=list(pool_ids), limit=limit)]


async def ids_of_owner(tx: Tx, owner_id: UUID) -> list[BookingId]:
    return [row.id for row in await tx.all(SQL.ids_of_owner, _Id, owner_id=owner_id)]
