"""What customers do with their bookings once they hold something."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from holdfast import audit, idempotency
from holdfast.audit import Deed
from holdfast.bookings import repository
from holdfast.bookings.desk import Desk
from holdfast.bookings.errors import BookingUnknown, CheckedInAlready
from holdfast.bookings.lifecycle import Lifecycle, Locked, lock_all
from holdfast.bookings.models import PAYABLE_KIND, Booking, BookingId, HeldBooking
from holdfast.bookings.states import BOOKING, BookingState, EndReason
from holdfast.common.actor import Actor
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, decode_cursor, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.inventory import HoldId, Inventory
from holdfast.payments import refunds
from holdfast.payments.models import Destination
from holdfast.payments.refunds import RefundRequest
from holdfast.payments.states import RefundReason, RefundState
from holdfast.resources.kind import Wanted


class Cancellation(Struct, frozen=True):
    """A booking that was cancelled, and what goes back to the customer, or has gone back: a wallet has it at once."""

    id: BookingId
    status: BookingState
    refund: Amount
    cancelled_at: datetime
    is_refunded: bool = False


class Changed(Struct, frozen=True):
    """A booking after a change, and the fare that goes back."""

    booking: Booking
    refund: Amount


class BookingService:
    """Bookings from their hold to their end."""

    def __init__(self, database: Database, inventory: Inventory, desk: Desk, lifecycle: Lifecycle) -> None:
        self._database = database
        self._inventory = inventory
        self._desk = desk
        self._lifecycle = lifecycle

    async def hold(self, actor: Actor, key: IdempotencyKey, kind: str, owner_id: UUID, quantity: int) -> HeldBooking:
        """Hold a quantity of what an owner offers. What it raises is at ``Desk.hold``."""
        return await self._desk.hold(actor, key, kind, owner_id, quantity)

    @retried
    async def release(self, actor: Actor, key: IdempotencyKey | None, booking_id: BookingId) -> Booking:
        """Give an unpaid hold back. Raises BookingUnknown, and what an ended or confirmed booking is refused with."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Booking) as once:
            if once.replay:
                return once.replay
            locked, booking = await self._lock_own(tx, actor, booking_id)
            if booking.status is not BookingState.PENDING:
                raise BOOKING.refusals[booking.status]
            ended = (await self._lifecycle.end(tx, locked, [booking.id], BookingState.CANCELLED, EndReason.RELEASED_BY_CUSTOMER))[0]
            deed = Deed(actor, "booking.released", booking.id, before={"status": booking.status}, after={"status": ended.status})
            await audit.record(tx, [deed])
            return once.keep(ended)

    @retried
    async def cancel(
        self,
        actor: Actor,
        key: IdempotencyKey | None,
        booking_id: BookingId,
        *,
        wants_refund: bool = True,
        refund_to: Destination = Destination.SOURCE,
    ) -> Cancellation:
        """Give a booking up. A paid one gets its fare back while sales are open and nothing afterwards; the fee is kept.

        Raises BookingUnknown, BookingCancelledAlready, HoldExpired.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Cancellation) as once:
            if once.replay:
                return once.replay
            locked, booking = await self._lock_own(tx, actor, booking_id)
            BOOKING.move(booking.status, to=BookingState.CANCELLED)
            if booking.checked_in_at is not None:
                raise CheckedInAlready
            was_paid = booking.status is BookingState.CONFIRMED
            reason = EndReason.CANCELLED_BY_CUSTOMER if was_paid else EndReason.RELEASED_BY_CUSTOMER
            open_still = all(pool.closed_at is None for pool in locked.pools.values())
            ended = (await self._lifecycle.end(tx, locked, [booking.id], BookingState.CANCELLED, reason))[0]
            refund = Amount(booking.currency, booking.fare if was_paid and open_still and wants_refund else 0)
            nothing = Amount(booking.currency, 0)
            wanted = RefundRequest(PAYABLE_KIND, booking.id, refund, nothing, RefundReason.CANCELLED_BY_CUSTOMER, refund_to)
            given_back = await refunds.request(tx, actor, [wanted])
            facts = {"status": ended.status, "refund": refund.minor, "currency": refund.currency, "refund_requested": wants_refund}
            await audit.record(tx, [Deed(actor, "booking.cancelled", booking.id, before={"status": booking.status}, after=facts)])
            assert ended.ended_at is not None
            is_refunded = any(each.status is RefundState.SUCCESS for each in given_back)
            return once.keep(Cancellation(booking.id, ended.status, refund, ended.ended_at, is_refunded))

    @retried
    async def change(self, actor: Actor, key: IdempotencyKey | None, booking_id: BookingId, quantity: int) -> Changed:
        """Make a confirmed booking one of another quantity, in one commit; fare that is saved goes back.

        What the booking has is kept until the new is had. Raises BookingUnknown, what a booking that is not confirmed is refused with,
        what its kind refuses with, ChangeCostsMore, ChangeOfPayee.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Changed) as once:
            if once.replay:
                return once.replay
            await self._inventory.lock_holds(tx, [HoldId.of(booking_id)])
            booking = (await repository.lock(tx, [booking_id])).get(booking_id)
            if booking is None or booking.customer_id != actor.id:
                raise BookingUnknown
            if booking.status is not BookingState.CONFIRMED:
                raise BOOKING.refusals[booking.status]
            if booking.checked_in_at is not None:
                raise CheckedInAlready
            if quantity == booking.quantity:
                return once.keep(Changed(booking, Amount(booking.currency, 0)))
            changed = await self._lifecycle.change(tx, booking, Wanted(booking.owner_id, quantity))
            refund = Amount(booking.currency, booking.fare - changed.fare)
            nothing = Amount(booking.currency, 0)
            await refunds.request(tx, actor, [RefundRequest(PAYABLE_KIND, booking.id, refund, nothing, RefundReason.CANCELLED_BY_CUSTOMER)])
            await audit.record(tx, [Deed(actor, "booking.changed", booking.id, before=_terms(booking), after=_terms(changed))])
            return once.keep(Changed(changed, refund))

    async def _lock_own(self, tx: Tx, actor: Actor, booking_id: BookingId) -> tuple[Locked, Booking]:
        locked = await lock_all(tx, self._inventory, [booking_id])
        booking = locked.bookings.get(booking_id)
        if booking is None or booking.customer_id != actor.id:
            raise BookingUnknown
        return locked, booking

    @retried
    async def get(self, actor: Actor, booking_id: BookingId) -> Booking:
        """One's own booking; admins see all, and what they look at is audited. Raises BookingUnknown."""
        async with self._database.reading() as tx:
            booking = (await repository.get(tx, [booking_id])).get(booking_id)
        if booking is None or not (actor.is_admin or booking.customer_id == actor.id):
            raise BookingUnknown
        if booking.customer_id != actor.id:
            async with self._database.transaction() as tx:
                await audit.record(tx, [Deed(actor, "booking.viewed", booking_id)])
        return booking

    async def history(self, actor: Actor, status: BookingState | None, request: PageRequest) -> Page[Booking]:
        """One's own bookings, newest first."""
        before = BookingId.parse(decode_cursor(request.cursor, parts=1)[0]) if request.cursor else None
        async with self._database.reading() as tx:
            found = await repository.history(tx, actor.id, before, status, request.limit + 1)
        return Page.cut(found, request, lambda booking: encode_cursor(str(booking.id)))

    async def customers_of(self, tx: Tx, ids: Sequence[BookingId]) -> dict[BookingId, Booking]:
        """Bookings by id, for modules above that ask whose they are."""
        return await repository.get(tx, ids)


def _terms(booking: Booking) -> dict[str, object]:
    """What a booking is of, for the audit log."""
    return {"quantity": booking.quantity, "fare": booking.fare, "currency": booking.currency}
