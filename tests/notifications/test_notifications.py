"""What people are told about which event, once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from tests.notifications.conftest import Post
from tests.shop import MoveTime, fresh_key

from holdfast.bookings.models import BookingId
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import Invalid
from holdfast.common.language import Language
from holdfast.common.money import egp
from holdfast.common.paging import PageRequest, encode_cursor
from holdfast.complaints.events import ComplaintAnswered
from holdfast.complaints.models import ComplaintId
from holdfast.complaints.states import ComplaintState
from holdfast.database import Database
from holdfast.drivers.events import DriverApprovedByAdmin, DriverRejectedByAdmin
from holdfast.drivers.models import DriverId
from holdfast.events.consumers import consume_next
from holdfast.notifications.errors import NotificationUnknown
from holdfast.notifications.models import NotificationId, NotificationType, Payload
from holdfast.notifications.texts import words_of
from holdfast.payments.events import PaymentFailed, PaymentRefunded, RefundDeclined
from holdfast.payments.gateway import DeclineReason
from holdfast.payments.models import PaymentId, RefundId
from holdfast.payments.states import RefundReason
from holdfast.payouts.events import PayoutApproved, PayoutPaid, PayoutRejected
from holdfast.payouts.models import PayoutId

TYPES = NotificationType


async def _types(post: Post, actor: Actor) -> list[str]:
    """Oldest first."""
    await post.deliver()
    return [told.notification.type for told in reversed(await post.told(actor))]


def _driver(driver_id: UserId) -> Actor:
    return Actor(driver_id, Role.DRIVER)


async def test_a_paid_booking_is_told_to_the_customer_and_a_full_session_to_the_driver(post: Post) -> None:
    session, customer = await post.shop.session(seats=2), await post.shop.person()
    held = await post.shop.hold(customer, session, seats=2)
    await post.shop.arrive(held)
    assert await _types(post, customer) == [TYPES.BOOKING_CONFIRMED]
    assert await _types(post, _driver(session.driver_id)) == [TYPES.SESSION_FULL]
    (told,) = await post.told(customer)
    assert told.notification.payload == Payload(booking_id=held.id, session_id=session.id, quantity=2)
    assert told.about is not None
    assert (told.about.name_en, told.about.place_en) == ("Ramses - Abbaseya", "Ramses")


async def test_money_that_came_late_and_found_its_seats_free_is_told(post: Post, move_time: MoveTime) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    held = await post.shop.hold(customer, session, seats=2)
    move_time(timedelta(minutes=6))
    await post.shop.bookings.expiry.expire_some()
    await post.shop.arrive(held)
    assert await _types(post, customer) == [TYPES.BOOKING_EXPIRED, TYPES.BOOKING_CONFIRMED_LATE]


async def test_a_driver_is_told_about_applications_and_payouts(post: Post) -> None:
    session = await post.shop.session()
    profile: dict[str, Any] = {"driver_id": DriverId.new(), "user_id": session.driver_id}
    payout: dict[str, Any] = {"payout_id": PayoutId.new(), "driver_id": session.driver_id, "session_id": session.id, "amount": egp(130)}
    await post.publish(
        DriverRejectedByAdmin(version=2, **profile),
        DriverApprovedByAdmin(version=3, **profile),
        PayoutRejected(version=2, **payout),
        PayoutApproved(version=2, **payout),
        PayoutPaid(version=3, **payout),
    )
    assert await _types(post, _driver(session.driver_id)) == [
        TYPES.DRIVER_REJECTED,
        TYPES.DRIVER_APPROVED,
        TYPES.PAYOUT_REJECTED,
        TYPES.PAYOUT_APPROVED,
        TYPES.PAYOUT_PAID,
    ]
    paid_out = (await post.told(_driver(session.driver_id)))[0]
    assert words_of(paid_out, Language.EN).body == "Paid out to you: 130.00 EGP for your trip on Ramses - Abbaseya, from Ramses."


async def test_a_lapsed_hold_is_told(post: Post, move_time: MoveTime) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    await post.shop.hold(customer, session)
    move_time(timedelta(minutes=6))
    await post.shop.bookings.expiry.expire_some()
    assert await _types(post, customer) == [TYPES.BOOKING_EXPIRED]


async def test_who_gives_an_unpaid_hold_back_knows_it(post: Post) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    held = await post.shop.hold(customer, session)
    await post.shop.bookings.service.release(customer, fresh_key(), held.id)
    assert await _types(post, customer) == []


async def test_a_cancelled_booking_is_told_to_the_customer_and_the_free_seats_to_the_driver(post: Post) -> None:
    session, customer = await post.shop.session(seats=1), await post.shop.person()
    held = await post.shop.hold(customer, session)
    await post.shop.arrive(held)
    await post.shop.bookings.service.cancel(customer, fresh_key(), held.id)
    assert await _types(post, customer) == [TYPES.BOOKING_CONFIRMED, TYPES.BOOKING_CANCELLED]
    assert await _types(post, _driver(session.driver_id)) == [TYPES.SESSION_FULL, TYPES.SEATS_CAME_BACK]


async def test_a_session_that_is_called_off_is_told_to_all_who_booked(post: Post) -> None:
    session = await post.shop.session()
    paid, unpaid = await post.shop.person(), await post.shop.person()
    await post.shop.arrive(await post.shop.hold(paid, session))
    await post.shop.hold(unpaid, session)
    await post.shop.sessions.service.cancel(_driver(session.driver_id), None, session.id, "The engine.")
    await post.shop.follow()
    assert await _types(post, paid) == [TYPES.BOOKING_CONFIRMED, TYPES.SESSION_CANCELLED]
    assert await _types(post, unpaid) == [TYPES.SESSION_CANCELLED]


async def test_what_becomes_of_money_is_told_to_the_payer(post: Post) -> None:
    payer = await post.shop.person()
    facts: dict[str, Any] = {
        "version": 1,
        "payment_id": PaymentId.new(),
        "payable_kind": "booking",
        "payable_id": BookingId.new(),
        "payer_id": payer.id,
        "payee_id": UserId.new(),
        "amount": egp(21),
    }
    refund: dict[str, Any] = {"refund_id": RefundId.new(), "reason": RefundReason.TOO_LATE}
    await post.publish(
        PaymentFailed(**facts, reason=DeclineReason.INSUFFICIENT_FUNDS),
        PaymentRefunded(**facts, **refund, in_full=True),
        RefundDeclined(**facts, **refund),
    )
    assert await _types(post, payer) == [TYPES.PAYMENT_REFUSED, TYPES.PAYMENT_REFUNDED, TYPES.REFUND_DECLINED]
    refunded = (await post.told(payer))[1].notification.payload
    assert (refunded.amount, refunded.reason, refunded.booking_id) == (egp(21), "TOO_LATE", facts["payable_id"])


async def test_an_answered_complaint_is_told_to_who_complained(post: Post) -> None:
    person = await post.shop.person()
    facts: dict[str, Any] = {"complaint_id": ComplaintId.new(), "booking_id": BookingId.new(), "user_id": person.id}
    await post.publish(
        ComplaintAnswered(version=2, status=ComplaintState.IN_REVIEW, **facts),
        ComplaintAnswered(version=3, status=ComplaintState.CLOSED, **facts),
    )
    assert await _types(post, person) == [TYPES.COMPLAINT_IN_REVIEW, TYPES.COMPLAINT_ANSWERED]


async def test_an_event_that_is_read_again_tells_nobody_twice(post: Post, owner: Database) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    await post.shop.arrive(await post.shop.hold(customer, session))
    await post.deliver()
    announced = await post.shop.count_of("events")
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE event_cursors SET epoch = 0, xid = '0', position = 0"))
    assert await _types(post, customer) == [TYPES.BOOKING_CONFIRMED]
    assert await post.shop.count_of("events") == announced


async def test_many_workers_at_once_tell_everybody_once(post: Post, database_url: str) -> None:
    session = await post.shop.session()
    people = [await post.shop.person() for _ in range(8)]
    for person in people:
        await post.shop.arrive(await post.shop.hold(person, session))
    other = Database(database_url, name="other worker")
    workers = [post.shop.database] * 3 + [other] * 3
    for _ in range(3):
        await asyncio.gather(*(consume_next(worker, post.notifications.consumer) for worker in workers))
    await other.close()
    assert [await _types(post, person) for person in people] == [[TYPES.BOOKING_CONFIRMED]] * 8


async def test_reading_one_and_reading_all(post: Post) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    for _ in range(3):
        await post.shop.arrive(await post.shop.hold(customer, session))
    await post.deliver()
    newest, middle, _ = await post.told(customer)
    assert await post.unread(customer) == 3
    read = await post.notifications.service.mark_read(customer, None, middle.notification.id)
    assert read.notification.is_read
    assert await post.notifications.service.mark_read(customer, None, middle.notification.id) == read
    assert await post.unread(customer) == 2
    assert middle.notification.id not in [told.notification.id for told in await post.told(customer, only_unread=True)]
    assert (await post.notifications.service.mark_all_read(customer, None)).number == 2
    assert (await post.notifications.service.mark_all_read(customer, None)).number == 0
    assert await post.unread(customer) == 0
    stranger = await post.shop.person()
    for actor, notification_id in ((stranger, newest.notification.id), (customer, NotificationId.new())):
        with pytest.raises(NotificationUnknown):
            await post.notifications.service.mark_read(actor, None, notification_id)


async def test_pages_follow_each_other(post: Post) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    for _ in range(3):
        await post.shop.arrive(await post.shop.hold(customer, session))
    await post.deliver()
    every = [told.notification.id for told in await post.told(customer)]
    found, cursor = [], None
    while True:
        inbox = await post.notifications.service.list_own(customer, PageRequest(limit=2, cursor=cursor), only_unread=False)
        found += [told.notification.id for told in inbox.page.rows]
        assert inbox.unread == 3
        cursor = inbox.page.next_cursor
        if cursor is None:
            break
    assert found == every
    with pytest.raises(Invalid):
        await post.notifications.service.list_own(customer, PageRequest(cursor=encode_cursor(str(uuid4()))), only_unread=False)


async def test_one_is_announced_with_ids_only(post: Post) -> None:
    session, customer = await post.shop.session(), await post.shop.person()
    await post.shop.arrive(await post.shop.hold(customer, session))
    await post.deliver()
    async with post.shop.database.reading() as tx:
        (announced,) = await tx.rows(text("SELECT body FROM events WHERE name = 'NotificationCreated' AND body->>'type' LIKE 'BOOKING%'"))
    (told,) = await post.told(customer)
    assert set(announced["body"]) == {"version", "notification_id", "user_id", "type"}
    assert NotificationId.of(told.notification.id) == told.notification.id
