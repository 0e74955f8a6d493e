"""What payments may ask of bookings: how much is due, and the effect of money that has arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from holdfast import events
from holdfast.bookings import lifecycle, repository
from holdfast.bookings.errors import BookingCancelledAlready, BookingConfirmedAlready, HoldExpired
from holdfast.bookings.events import BookingExtended
from holdfast.bookings.lifecycle import Lifecycle
from holdfast.bookings.models import Booking, BookingId
from holdfast.bookings.states import BookingState
from holdfast.common.errors import Refusal
from holdfast.common.ids import Id
from holdfast.common.money import Amount
from holdfast.database import Tx
from holdfast.inventory import ClaimRequest, HoldId, Inventory, Line, MovedLine, Pool, PoolId, Shortage, after, quantities
from holdfast.payments.models import PaymentId
from holdfast.payments.payable import Arrived, Due, Effect, HoldLapsedMeanwhile, Mismatch, Settled, Standing, TooLate
from holdfast.resources.kind import Kinds


class BookingPayable:
    """A booking can be paid for while its hold lives, and confirmed by late money whose seats are still free."""

    id_types: tuple[type[Id], ...] = (BookingId, HoldId)

    def __init__(self, inventory: Inventory, kinds: Kinds, lifecycle_: Lifecycle) -> None:
        self._inventory = inventory
        self._kinds = kinds
        self._lifecycle = lifecycle_

    async def lock(self, tx: Tx, ids: Sequence[UUID], *, settling: bool) -> "LockedBookings":
        """Holds, bookings, and the pools of live holds where money has arrived.

        Without a live hold the money is late, and claim locks the pools.
        """
        holds = await self._inventory.lock_holds(tx, _hold_ids(ids))
        bookings = await repository.lock(tx, ids)
        live = [hold.id for hold in holds.values() if hold.live]
        lines = await self._inventory.lines_of(tx, live) if settling else {}
        pools = await self._inventory.lock_pools(tx, {line.pool_id for held in lines.values() for line in held})
        return LockedBookings(self._inventory, self._kinds, self._lifecycle, bookings, frozenset(live), lines, pools)

    async def standing(self, tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Standing]:
        """State and deadline, for the payer."""
        return {booking.id: Standing(booking.status, booking.expires_at) for booking in (await repository.get(tx, ids)).values()}


@dataclass(frozen=True)
class LockedBookings:
    """Bookings that are being paid for. ``lines`` and ``pools`` are those of live holds, and only there where money has arrived."""

    _inventory: Inventory
    _kinds: Kinds
    _lifecycle: Lifecycle
    bookings: Mapping[BookingId, Booking]
    live: frozenset[HoldId]
    lines: Mapping[HoldId, Sequence[MovedLine]]
    pools: Mapping[PoolId, Pool]

    @property
    def ready(self) -> frozenset[UUID]:
        return frozenset(b.id for b in self.bookings.values() if b.status is BookingState.PENDING and b.hold_id in self.live)

    async def amounts_due(self, tx: Tx) -> Mapping[UUID, Due | Refusal]:
        """Fare and fee of each booking that can be paid now, else why not."""
        # Judged anew: what the statement said that locked them may be as old as its wait.
        live = {hold.id for hold in (await self._inventory.lock_holds(tx, sorted(self.live))).values() if hold.live}
        closed = await self._inventory.closed(tx, sorted(live))
        due: dict[UUID, Due | Refusal] = {}
        for booking in self.bookings.values():
            match booking.status:
                case BookingState.CONFIRMED:
                    due[booking.id] = BookingConfirmedAlready()
                case BookingState.CANCELLED:
                    due[booking.id] = BookingCancelledAlready()
                case BookingState.PENDING if booking.hold_id in closed:
                    due[booking.id] = self._kinds[booking.kind].refusal_of(Shortage(closed[booking.hold_id], free=0, closed=True))
                case BookingState.PENDING if booking.hold_id in live:
                    due[booking.id] = _due(booking)
                case _:
                    due[booking.id] = HoldExpired()
        return due

    async def begun(self, tx: Tx) -> None:
        """Extend each hold to twice its lifetime, counted from its start: once, and that stands."""
        for booking in self.bookings.values():
            if booking.extended_at is not None:
                continue
            hold = await self._inventory.extend(tx, booking.hold_id, booking.held_until + (booking.held_until - booking.created_at))
            if hold is None:
                raise HoldExpired
            version = await repository.mark_extended(tx, booking.id)
            extended = BookingExtended(
                version=version,
                booking_id=booking.id,
                customer_id=booking.customer_id,
                owner_id=booking.owner_id,
                expires_at=hold.expires_at,
            )
            await events.publish(tx, [extended])

    async def captured(self, tx: Tx, payments: Sequence[Arrived]) -> Mapping[PaymentId, Effect]:
        """Confirm what the money is for. Where the hold is gone, the seats are claimed anew if they are free."""
        effects: dict[PaymentId, Effect] = {}
        live: dict[BookingId, PaymentId] = {}
        late: dict[BookingId, PaymentId] = {}
        for payment in payments:
            booking = self.bookings.get(BookingId.of(payment.payable_id))
            if booking is None or booking.status not in (BookingState.PENDING, BookingState.EXPIRED) or booking.id in live | late:
                effects[payment.id] = TooLate()
            elif payment.amount != booking.total:
                effects[payment.id] = Mismatch()
            elif booking.hold_id in self.live:
                live[booking.id] = payment.id
            else:
                late[booking.id] = payment.id
        effects |= await self._confirm(tx, live)
        effects |= await self._retake(tx, late)
        return effects

    async def failed(self, tx: Tx, payments: Sequence[Arrived]) -> None:
        """Nothing: the hold stays until its deadline, and can be paid again until then."""

    async def _confirm(self, tx: Tx, wanted: Mapping[BookingId, PaymentId]) -> Mapping[PaymentId, Effect]:
        moved = await self._inventory.confirm(tx, _hold_ids(wanted))
        effects: dict[PaymentId, Effect] = {}
        for booking_id, payment_id in wanted.items():
            hold_id = HoldId.of(booking_id)
            if hold_id in moved:
                effects[payment_id] = Settled()
            elif any(self.pools[line.pool_id].closed_at for line in self.lines.get(hold_id, ())):
                effects[payment_id] = TooLate()
            else:
                raise HoldLapsedMeanwhile
        await self._announce_sold(tx, moved, self.pools)
        return effects

    async def _retake(self, tx: Tx, wanted: Mapping[BookingId, PaymentId]) -> Mapping[PaymentId, Effect]:
        """Late money: what was asked for is claimed anew, and sold in the same commit, or the money goes back.

        Pools are locked once: where a hold lapsed after this transaction had locked some, it cannot claim, and runs again.
        """
        if not wanted:
            return {}
        if self._inventory.has_locked_pools(tx):
            raise HoldLapsedMeanwhile
        items = await repository.items(tx, list(wanted))
        claim = await self._inventory.claim(
            tx,
            [
                ClaimRequest(
                    HoldId.of(booking_id),
                    tuple(Line(item.pool_id, item.quantity) for item in items[booking_id]),
                    self.bookings[booking_id].held_until - self.bookings[booking_id].created_at,
                )
                for booking_id in wanted
            ],
            # The hold of an EXPIRED booking is gone already.
            anew=[booking.hold_id for booking_id in wanted if (booking := self.bookings[booking_id]).status is BookingState.PENDING],
        )
        moved = await self._inventory.confirm(tx, list(claim.granted))
        assert set(moved) == set(claim.granted), "a hold granted in this transaction can be confirmed in it"
        await self._announce_sold(tx, moved, claim.pools, retaken=True)
        return {payment: Settled() if HoldId.of(booking) in moved else TooLate() for booking, payment in wanted.items()}

    async def _announce_sold(
        self, tx: Tx, moved: Mapping[HoldId, Sequence[MovedLine]], before: Mapping[PoolId, Pool], *, retaken: bool = False
    ) -> None:
        """Mark the bookings of sold lines CONFIRMED, and let their kinds and everybody else know."""
        if not moved:
            return
        confirmed = await repository.confirm(tx, [BookingId.of(hold_id) for hold_id in moved])
        pools = after(before, quantities(line for lines in moved.values() for line in lines), held=-1, sold=1)
        await self._lifecycle.changed(tx, confirmed, pools)
        await events.publish(tx, [lifecycle.confirmed(booking, pools, retaken=retaken) for booking in confirmed])


def _hold_ids(ids: Sequence[UUID] | Mapping[BookingId, PaymentId]) -> list[HoldId]:
    return [HoldId.of(each) for each in ids]


def _due(booking: Booking) -> Due:
    return Due(booking.customer_id, booking.payee_id, Amount(booking.currency, booking.fare), Amount(booking.currency, booking.service_fee))
