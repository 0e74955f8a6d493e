"""What is said about each event, to whom: one builder for each, pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from msgspec import Struct

from holdfast.bookings.events import (
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingEvent,
    BookingExpired,
    BookingHeld,
)
from holdfast.bookings.models import PAYABLE_KIND, BookingId
from holdfast.bookings.states import BookingState, EndReason
from holdfast.common.money import JsonAmount
from holdfast.events import Recorded
from holdfast.notifications.events import NotificationCreated
from holdfast.payments.events import PaymentSucceeded
from holdfast.realtime import dto
from holdfast.realtime.repository import Whereabouts
from holdfast.realtime.rooms import ADMIN_ROOM, driver_room, route_room, session_room, user_room
from holdfast.sessions.events import SessionCancelled, SessionClosed, SessionEvent, SessionFull, SessionReopened, SessionStarted
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId
from holdfast.sessions.states import SessionState

STATE_AFTER: Mapping[type[SessionEvent], SessionState] = {
    SessionStarted: SessionState.ACTIVE,
    SessionFull: SessionState.FULL,
    SessionReopened: SessionState.ACTIVE,
    SessionClosed: SessionState.CLOSED,
    SessionCancelled: SessionState.CANCELLED,
}


class Said(Struct, frozen=True):
    """A message of one name for everybody in these rooms."""

    name: str
    rooms: tuple[str, ...]
    message: dto.Message


class Stamp(TypedDict):
    event_id: str
    sequence: str
    version: int
    occurred_at: datetime


class Occasion(Struct, frozen=True):
    """Where an event stands in the log, and ``where`` the session is that it is about, where there is one."""

    recorded: Recorded
    where: Whereabouts | None

    def stamp(self, version: int) -> Stamp:
        return {
            "event_id": str(self.recorded.id),
            "sequence": str(self.recorded.at),
            "version": version,
            "occurred_at": self.recorded.occurred_at,
        }


def session_changed(event: SessionEvent, occasion: Occasion) -> Iterable[Said]:
    rooms = (session_room(event.session_id), route_room(event.route_id), driver_room(event.driver_id), ADMIN_ROOM)
    stamp = occasion.stamp(event.pool_version)
    session_id, route_id, status = str(event.session_id), str(event.route_id), STATE_AFTER[type(event)]
    updated = dto.SessionUpdated(
        **stamp,
        session_id=session_id,
        available_seats=event.available_seats,
        total_seats=event.total_seats,
        status=status,
        route_id=route_id,
        station_id=str(event.station_id),
    )
    yield Said("session.updated", rooms, updated)
    if status is SessionState.FULL:
        full = dto.SessionFull(**stamp, session_id=session_id, route_id=route_id, total_seats=event.total_seats)
        yield Said("session.full", rooms, full)
    elif status in (SessionState.CLOSED, SessionState.CANCELLED):
        yield Said("session.closed", rooms, dto.SessionClosed(**stamp, session_id=session_id, route_id=route_id, status=status))


def booking_held(event: BookingHeld, occasion: Occasion) -> Iterable[Said]:
    yield from _seats_left(event, occasion)


def booking_confirmed(event: BookingConfirmed, occasion: Occasion) -> Iterable[Said]:
    if event.kind == SESSION_KIND:
        booked = dto.SeatBooked(
            **occasion.stamp(event.pool_version),
            session_id=_session_text(event.owner_id),
            seats=event.quantity,
            available_seats=event.available,
        )
        yield Said("seat.booked", _watchers(event, occasion), booked)
    yield from _seats_left(event, occasion)
    confirmed = dto.BookingConfirmed(
        **occasion.stamp(event.version),
        booking_id=str(event.booking_id),
        seats=event.quantity,
        status=BookingState.CONFIRMED,
        session_id=_session_id(event),
    )
    yield Said("booking.confirmed", (user_room(event.customer_id), driver_room(event.payee_id)), confirmed)


def booking_changed(event: BookingChanged, occasion: Occasion) -> Iterable[Said]:
    yield from _seats_left(event, occasion)
    changed = dto.BookingChanged(
        **occasion.stamp(event.version),
        booking_id=str(event.booking_id),
        seats=event.quantity,
        status=BookingState.CONFIRMED,
        session_id=_session_id(event),
    )
    yield Said("booking.changed", (user_room(event.customer_id), driver_room(event.payee_id)), changed)


def booking_expired(event: BookingExpired, occasion: Occasion) -> Iterable[Said]:
    yield from _ended(event, occasion, BookingState.EXPIRED, None, was_sold=False)


def booking_cancelled(event: BookingCancelled, occasion: Occasion) -> Iterable[Said]:
    yield from _ended(event, occasion, BookingState.CANCELLED, event.reason, was_sold=event.was_confirmed)


def payment_succeeded(event: PaymentSucceeded, occasion: Occasion) -> Iterable[Said]:
    is_booking = event.payable_kind == PAYABLE_KIND
    payee = (driver_room(event.payee_id),) if is_booking else ()
    success = dto.PaymentSuccess(
        **occasion.stamp(event.version),
        payment_id=str(event.payment_id),
        amount=JsonAmount(event.amount),
        currency=event.amount.currency,
        booking_id=str(BookingId.of(event.payable_id)) if is_booking else None,
    )
    yield Said("payment.success", (user_room(event.payer_id), *payee), success)


def notification_created(event: NotificationCreated, occasion: Occasion) -> Iterable[Said]:
    created = dto.NotificationCreated(**occasion.stamp(event.version), notification_id=str(event.notification_id), type=event.type)
    yield Said("notification.created", (user_room(event.user_id),), created)


def _ended(event: BookingEvent, occasion: Occasion, status: BookingState, reason: EndReason | None, *, was_sold: bool) -> Iterable[Said]:
    if event.kind == SESSION_KIND:
        released = dto.SeatReleased(
            **occasion.stamp(event.pool_version),
            session_id=_session_text(event.owner_id),
            seats=event.quantity,
            available_seats=event.available,
            was_sold=was_sold,
        )
        yield Said("seat.released", _watchers(event, occasion), released)
    yield from _seats_left(event, occasion)
    driver = (driver_room(occasion.where.driver_id),) if occasion.where is not None and was_sold else ()
    cancelled = dto.BookingCancelled(
        **occasion.stamp(event.version),
        booking_id=str(event.booking_id),
        seats=event.quantity,
        status=status,
        session_id=_session_id(event),
        reason=reason,
    )
    yield Said("booking.cancelled", (user_room(event.customer_id), *driver), cancelled)


def _seats_left(event: BookingEvent, occasion: Occasion) -> Iterable[Said]:
    if event.kind != SESSION_KIND:
        return
    route = (route_room(occasion.where.route_id),) if occasion.where is not None else ()
    updated = dto.SessionUpdated(
        **occasion.stamp(event.pool_version), session_id=_session_text(event.owner_id), available_seats=event.available
    )
    yield Said("session.updated", (*_watchers(event, occasion), *route), updated)


def _watchers(event: BookingEvent, occasion: Occasion) -> tuple[str, ...]:
    """The rooms of those who watch this one session; watchers of its route hear of its seats only."""
    driver = (driver_room(occasion.where.driver_id),) if occasion.where is not None else ()
    return (session_room(event.owner_id), *driver, ADMIN_ROOM)


def _session_id(event: BookingEvent) -> str | None:
    return _session_text(event.owner_id) if event.kind == SESSION_KIND else None


def _session_text(owner_id: UUID) -> str:
    return str(SessionId.of(owner_id))
