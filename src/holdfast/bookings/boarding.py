"""Getting on board: the driver says who is there, and that he has the cash of those who pay so."""

from uuid import UUID

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.bookings import repository
from holdfast.bookings.errors import BookingPending, BookingUnknown, CheckedInAlready, HoldExpired
from holdfast.bookings.events import BookingCheckedIn
from holdfast.bookings.models import PAYABLE_KIND, Booking, BookingId
from holdfast.bookings.states import BOOKING, BookingState
from holdfast.common.actor import Actor
from holdfast.database import Database, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.cash import Cash


class Boarding:
    """The use cases of whoever lets customers in."""

    def __init__(self, database: Database, cash: Cash) -> None:
        self._database = database
        self._cash = cash

    async def check_in(self, actor: Actor, key: IdempotencyKey, owner_id: UUID, booking_id: BookingId) -> Booking:
        """A customer of this owner is on board. One that waited for its cash is paid for by it, in a commit before: if that one stands
        alone, saying it again goes on from there.

        Raises BookingUnknown (also where somebody else earns its fare), BookingPending, HoldExpired, BookingCancelledAlready,
        CheckedInAlready, KeyUsedForAnother, StillRunning.
        """
        found = await self._read(actor, owner_id, booking_id)
        if found.status is BookingState.PENDING and found.expires_at is not None:
            await self._cash.taken(PAYABLE_KIND, booking_id)
        return await self._check_in(actor, key, owner_id, booking_id)

    @retried
    async def _read(self, actor: Actor, owner_id: UUID, booking_id: BookingId) -> Booking:
        async with self._database.reading() as tx:
            return _own(actor, owner_id, (await repository.get(tx, [booking_id])).get(booking_id))

    @retried
    async def _check_in(self, actor: Actor, key: IdempotencyKey, owner_id: UUID, booking_id: BookingId) -> Booking:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Booking) as once:
            if once.replay:
                return once.replay
            booking = _own(actor, owner_id, (await repository.lock(tx, [booking_id])).get(booking_id))
            match booking.status:
                case BookingState.CONFIRMED if booking.checked_in_at is not None:
                    raise CheckedInAlready
                case BookingState.CONFIRMED:
                    pass
                case BookingState.PENDING:
                    raise BookingPending
                case BookingState.EXPIRED:
                    raise HoldExpired
                case _:
                    raise BOOKING.refusals[booking.status]
            boarded = await repository.check_in(tx, booking_id)
            assert boarded is not None, "its row is locked"
            await audit.record(tx, [Deed(actor, "booking.checked_in", booking_id, after={"quantity": boarded.quantity})])
            await events.publish(
                tx,
                [
                    BookingCheckedIn(
                        version=boarded.version,
                        booking_id=boarded.id,
                        customer_id=boarded.customer_id,
                        payee_id=boarded.payee_id,
                        kind=boarded.kind,
                        owner_id=boarded.owner_id,
                        quantity=boarded.quantity,
                    )
                ],
            )
            return once.keep(boarded)


def _own(actor: Actor, owner_id: UUID, booking: Booking | None) -> Booking:
    if booking is None or booking.owner_id != owner_id or not (booking.payee_id == actor.id or actor.is_admin):
        raise BookingUnknown
    return booking
