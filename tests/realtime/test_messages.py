"""What is said about which event, to whom: with real bookings, over real sockets."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from tests.realtime.conftest import Listener, Square
from tests.shop import fresh_key

from holdfast.bookings.models import BookingId
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.money import egp
from holdfast.events import EventId, LogPosition
from holdfast.events.consumers import consume_next
from holdfast.notifications import module as notifications_module
from holdfast.payments.events import PaymentFailed, PaymentSucceeded
from holdfast.payments.gateway import DeclineReason
from holdfast.payments.models import PaymentId
from holdfast.resources.kind import Kinds
from holdfast.sessions.models import Session


def paid(payer: Actor, payee: UserId, booking_id: BookingId, kind: str = "booking") -> dict[str, Any]:
    return {
        "version": 2,
        "payment_id": PaymentId.new(),
        "payable_kind": kind,
        "payable_id": booking_id,
        "payer_id": payer.id,
        "payee_id": payee,
        "amount": egp(11),
    }


async def driver_of(square: Square, session: Session) -> Listener:
    listener = await square.listener(Actor(session.driver_id, Role.DRIVER))
    await listener.join(f"driver:{session.driver_id}")
    return listener


async def watcher_of(square: Square, session: Session) -> Listener:
    listener = await square.listener()
    await listener.join(f"session:{session.id}")
    return listener


async def test_every_message_carries_where_it_stands(square: Square) -> None:
    session = await square.session()
    listener = await watcher_of(square, session)
    await square.shop.hold(await square.shop.person(), session)
    await listener.until_names("session.updated")
    body = listener.body("session.updated")
    EventId.parse(body["eventId"])
    assert isinstance(LogPosition.parse(body["sequence"]), LogPosition)
    assert body["version"] == 2
    assert datetime.fromisoformat(body["occurredAt"]).tzinfo is not None
    assert set(body) == {"eventId", "sequence", "version", "occurredAt", "sessionId", "availableSeats"}


async def test_a_session_from_its_opening_to_its_departure(square: Square) -> None:
    listener = await square.listener()
    await listener.join(f"route:{square.shop.route_id}")
    session = await square.shop.session(seats=2)
    await listener.until_names("session.updated")
    opened = listener.body("session.updated")
    assert (opened["status"], opened["availableSeats"], opened["totalSeats"], opened["version"]) == ("ACTIVE", 2, 2, 1)
    assert (opened["sessionId"], opened["routeId"]) == (str(session.id), str(square.shop.route_id))
    await listener.join(f"session:{session.id}")

    customer = await square.shop.person()
    held = await square.shop.hold(customer, session, seats=2)
    await listener.until_names("session.updated", "session.updated")
    assert listener.body("session.updated")["availableSeats"] == 0

    await square.shop.arrive(held)
    await listener.until(lambda heard: len(heard) == 6)
    assert sorted(listener.names[2:]) == ["seat.booked", "session.full", "session.updated", "session.updated"]
    assert (listener.body("seat.booked")["seats"], listener.body("session.full")["totalSeats"]) == (2, 2)

    await square.shop.bookings.service.cancel(customer, fresh_key(), held.id)
    await listener.until(lambda heard: len(heard) == 9)
    assert sorted(listener.names[6:]) == ["seat.released", "session.updated", "session.updated"]
    assert listener.body("seat.released")["wasSold"] is True
    assert [heard.body.get("status") for heard in listener.heard[6:]].count("ACTIVE") == 1
    assert listener.body("session.updated")["availableSeats"] == 2

    await square.shop.sessions.service.close(Actor(session.driver_id, Role.DRIVER), None, session.id)
    await listener.until(lambda heard: heard and heard[-1].name == "session.closed")
    closed = listener.body("session.closed")
    assert closed["status"] == "CLOSED"
    assert closed["version"] == max(heard.body["version"] for heard in listener.heard)
    assert [heard.body["version"] for heard in listener.heard] == sorted(heard.body["version"] for heard in listener.heard)


async def test_seats_given_back_unpaid_were_not_sold(square: Square) -> None:
    session, customer = await square.session(), await square.shop.person()
    listener, own = await watcher_of(square, session), await square.listener(customer)
    await own.join(f"user:{customer.id}")
    held = await square.shop.hold(customer, session)
    await square.shop.bookings.service.release(customer, fresh_key(), held.id)
    await listener.until_names("session.updated", "seat.released", "session.updated")
    assert (listener.body("seat.released")["wasSold"], listener.body("session.updated")["availableSeats"]) == (False, 14)
    await own.until_names("booking.cancelled")
    cancelled = own.body("booking.cancelled")
    assert (cancelled["status"], cancelled["reason"], cancelled["bookingId"]) == ("CANCELLED", "RELEASED_BY_CUSTOMER", str(held.id))


async def test_a_session_that_is_called_off(square: Square) -> None:
    session, customer = await square.session(), await square.shop.person()
    listener, own = await watcher_of(square, session), await square.listener(customer)
    await own.join(f"user:{customer.id}")
    await square.shop.arrive(await square.shop.hold(customer, session))
    await square.shop.sessions.service.cancel(Actor(session.driver_id, Role.DRIVER), None, session.id, "The engine.")
    await square.shop.follow()
    await own.until_names("booking.confirmed", "booking.cancelled")
    assert own.body("booking.cancelled")["reason"] == "CALLED_OFF"
    await listener.until(lambda heard: heard and heard[-1].name == "session.updated" and "seat.released" in listener.names)
    assert listener.body("session.closed")["status"] == "CANCELLED"
    assert listener.body("session.updated")["availableSeats"] == 0


async def test_a_confirmed_booking_is_said_to_its_customer_and_its_driver_only(square: Square) -> None:
    session, customer = await square.session(), await square.shop.person()
    own, stranger = await square.listener(customer), await square.listener(await square.shop.person())
    await own.join(f"user:{customer.id}")
    watcher, driver = await watcher_of(square, session), await driver_of(square, session)
    await stranger.join(f"session:{session.id}", f"route:{square.shop.route_id}")
    held = await square.shop.hold(customer, session)
    await square.shop.arrive(held)
    await driver.until_names("session.updated", "seat.booked", "session.updated", "booking.confirmed")
    await own.until_names("booking.confirmed")
    assert own.body("booking.confirmed") == driver.body("booking.confirmed")
    assert own.body("booking.confirmed")["bookingId"] == str(held.id)
    await watcher.until_names("session.updated", "seat.booked", "session.updated")
    await stranger.until_names("session.updated", "seat.booked", "session.updated")


async def test_money_is_said_to_who_paid_and_who_earns_only(square: Square) -> None:
    session, customer = await square.session(), await square.shop.person()
    own, admin = await square.listener(customer), await square.listener(Actor(UserId.new(), Role.ADMIN))
    await own.join(f"user:{customer.id}", f"session:{session.id}", f"route:{square.shop.route_id}")
    await admin.join("admin", f"session:{session.id}")
    watcher, driver = await watcher_of(square, session), await driver_of(square, session)
    booking_id = BookingId.new()
    facts = paid(customer, session.driver_id, booking_id)
    await square.publish(PaymentFailed(**facts, reason=DeclineReason.INSUFFICIENT_FUNDS), PaymentSucceeded(**facts))
    await own.until_names("payment.success")
    await driver.until_names("payment.success")
    success = own.body("payment.success")
    assert (success["amount"], success["currency"], success["bookingId"]) == (11.0, "EGP", str(booking_id))
    assert str(customer.id) not in str(driver.body("payment.success"))
    await square.shop.hold(customer, session)
    await watcher.until_names("session.updated")
    await admin.until_names("session.updated")


async def test_something_new_to_read_is_said_to_its_reader(square: Square) -> None:
    session, customer = await square.session(), await square.shop.person()
    own = await square.listener(customer)
    await own.join(f"user:{customer.id}")
    await square.shop.arrive(await square.shop.hold(customer, session))
    notifications = notifications_module.build(square.shop.database, Kinds(square.shop.sessions.kind))
    while await consume_next(square.shop.database, notifications.consumer):
        pass
    await own.until_names("booking.confirmed", "notification.created")
    assert own.body("notification.created")["type"] == "BOOKING_CONFIRMED"


async def test_who_is_in_several_rooms_hears_everything_once(square: Square) -> None:
    session = await square.session()
    admin = await square.listener(Actor(session.driver_id, Role.ADMIN))
    await admin.join("admin", f"session:{session.id}", f"route:{square.shop.route_id}", f"driver:{session.driver_id}")
    await square.shop.hold(await square.shop.person(), session)
    await square.shop.hold(await square.shop.person(), session)
    await admin.until_names("session.updated", "session.updated")
    assert len({heard.body["eventId"] for heard in admin.heard}) == 2


async def test_rooms_that_anyone_may_watch_carry_nobodys_id(square: Square) -> None:
    session, customer = await square.session(seats=1), await square.shop.person()
    watcher = await watcher_of(square, session)
    await watcher.join(f"route:{square.shop.route_id}")
    held = await square.shop.hold(customer, session)
    await square.shop.arrive(held)
    await square.publish(PaymentSucceeded(**paid(customer, session.driver_id, held.id)))
    await square.shop.bookings.service.cancel(customer, fresh_key(), held.id)
    await square.shop.sessions.service.cancel(Actor(session.driver_id, Role.DRIVER), None, session.id, "Secret reasons.")
    await square.settle()
    await watcher.until(lambda heard: heard and heard[-1].name == "session.closed")
    said = str(watcher.heard)
    for private in ("usr_", "bkg_", "pay_", "Secret"):
        assert private not in said


@pytest.mark.parametrize("kind", ["top_up", "booking"])
async def test_money_for_something_else_is_no_drivers_business(square: Square, kind: str) -> None:
    payer, other = await square.shop.person(), await square.shop.person(Role.DRIVER)
    own, driver = await square.listener(payer), await square.listener(other)
    await asyncio.gather(own.join(f"user:{payer.id}"), driver.join(f"driver:{other.id}"))
    await square.publish(PaymentSucceeded(**paid(payer, other.id, BookingId.new(), kind)))
    await own.until_names("payment.success")
    await square.settle()
    await driver.ask("leave", room="nowhere")
    assert driver.names == (["payment.success"] if kind == "booking" else [])
