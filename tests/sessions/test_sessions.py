"""Sessions: opening, finding, closing, calling off."""

import pytest
from sqlalchemy import text
from tests.shop import FIRST_PAGE, Shop, fresh_key

from holdfast.common.actor import Actor, Role
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.events import repository as log
from holdfast.events.consumers import follow_next
from holdfast.events.models import START_OF_LOG
from holdfast.idempotency import IdempotencyKey
from holdfast.routes.models import RouteId
from holdfast.sessions.errors import (
    CurrencyNotSold,
    DriverNotApproved,
    SessionCancelledAlready,
    SessionClosedAlready,
    SessionRunning,
    SessionUnknown,
    StationNotOnRoute,
)
from holdfast.sessions.models import Session
from holdfast.sessions.repository import Search
from holdfast.sessions.states import SessionState
from holdfast.stations.models import StationId
from holdfast.users import People


def driver_of(session: Session) -> Actor:
    return Actor(session.driver_id, Role.DRIVER)


async def test_a_session_starts_active_with_all_its_seats_and_the_fare_of_its_route(shop: Shop) -> None:
    session = await shop.session(seats=14)
    assert await shop.look(session.id) == session
    assert (session.status, session.total_seats, session.available_seats, session.fare) == (SessionState.ACTIVE, 14, 14, 1000)


async def test_starting_twice_with_one_key_starts_once(shop: Shop) -> None:
    driver, key = await shop.driver(), fresh_key()
    first = await shop.sessions.service.start(driver, key, shop.route_id, shop.station_id, 14)
    again = await shop.sessions.service.start(driver, IdempotencyKey(key.text, key.fingerprint), shop.route_id, shop.station_id, 14)
    assert again == first


async def test_a_driver_has_one_open_session_at_a_time(shop: Shop) -> None:
    session = await shop.session()
    with pytest.raises(SessionRunning):
        await shop.sessions.service.start(driver_of(session), None, shop.route_id, shop.station_id, 14)
    await shop.sessions.service.close(driver_of(session), None, session.id)
    await shop.sessions.service.start(driver_of(session), None, shop.route_id, shop.station_id, 14)


async def test_only_approved_drivers_start_at_stations_of_the_route(shop: Shop) -> None:
    with pytest.raises(DriverNotApproved):
        await shop.sessions.service.start(await shop.person(Role.DRIVER), None, shop.route_id, shop.station_id, 14)
    driver = await shop.driver()
    for route_id, station_id in ((RouteId.new(), shop.station_id), (shop.route_id, StationId.new())):
        with pytest.raises(StationNotOnRoute):
            await shop.sessions.service.start(driver, None, route_id, station_id, 14)


async def test_closing_and_calling_off_end_a_session_for_good(shop: Shop) -> None:
    closed, cancelled = await shop.session(), await shop.session()
    assert (await shop.sessions.service.close(driver_of(closed), None, closed.id)).status is SessionState.CLOSED
    assert (await shop.sessions.service.cancel(driver_of(cancelled), None, cancelled.id, None)).status is SessionState.CANCELLED
    for session, refusal in ((closed, SessionClosedAlready), (cancelled, SessionCancelledAlready)):
        for act in (shop.sessions.service.close(driver_of(session), None, session.id),
                    shop.sessions.service.cancel(driver_of(session), None, session.id, None)):  # fmt: skip
            with pytest.raises(refusal):
                await act
        seen = await shop.look(session.id)
        assert seen.ended_at is not None
        assert seen.available_seats == 0


async def test_others_sessions_are_unknown_and_admins_may_call_any_off(shop: Shop) -> None:
    session = await shop.session()
    with pytest.raises(SessionUnknown):
        await shop.sessions.service.close(await shop.driver(), None, session.id)
    admin = await shop.person(Role.ADMIN)
    assert (await shop.sessions.service.cancel(admin, None, session.id, "road closed")).status is SessionState.CANCELLED


async def test_the_session_of_somebody_who_may_no_longer_drive_is_called_off(shop: Shop, database: Database) -> None:
    session, other = await shop.session(), await shop.session()
    people, admin = People(), await shop.person(Role.ADMIN)
    async with database.transaction() as tx:
        await people.change_access(tx, admin, session.driver_id, is_active=False)
    while await follow_next(database, shop.sessions.follower):
        pass
    assert (await shop.look(session.id)).status is SessionState.CANCELLED
    assert (await shop.look(other.id)).status is SessionState.ACTIVE


async def test_a_fare_in_another_currency_than_the_fee_is_not_sold(shop: Shop, owner: Database) -> None:
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE routes SET currency = 'KWD'"))
    with pytest.raises(CurrencyNotSold):
        await shop.session()


async def test_open_sessions_are_found_by_route_station_and_place_the_longest_waiting_first(shop: Shop) -> None:
    first, second = await shop.session(), await shop.session(seats=1)
    await shop.arrive(await shop.hold(await shop.person(), second))

    async def found(search: Search) -> list[object]:
        return [row.id for row in (await shop.sessions.service.active(search, FIRST_PAGE)).rows]

    assert await found(Search()) == [first.id, second.id]
    assert await found(Search(with_seats=True)) == [first.id]
    assert await found(Search(route_id=shop.route_id, station_id=shop.station_id)) == [first.id, second.id]
    assert await found(Search(route_id=RouteId.new())) == []
    assert await found(Search(near=(30.0601, 31.2501), radius_m=100)) == [first.id, second.id]
    assert await found(Search(near=(30.2, 31.25), radius_m=1000)) == []
    await shop.sessions.service.close(driver_of(first), None, first.id)
    assert await found(Search()) == [second.id]


async def test_pages_follow_each_other_without_gap(shop: Shop) -> None:
    sessions = [await shop.session() for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = await shop.sessions.service.active(Search(), PageRequest(2, cursor))
        seen += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [session.id for session in sessions]


async def test_every_change_is_announced_with_a_growing_version(shop: Shop) -> None:
    session, person = await shop.session(seats=1), await shop.person()
    held = await shop.hold(person, session)
    await shop.arrive(held)
    await shop.bookings.service.cancel(person, None, held.id)
    await shop.sessions.service.close(driver_of(session), None, session.id)
    async with shop.database.reading() as tx:
        recorded, _ = await log.read_after(tx, START_OF_LOG, 100)
    of_session = [(type(each.event).__name__, each.event.version) for each in recorded if each.event.subject_id == session.id]
    assert [name for name, _ in of_session] == ["SessionStarted", "SessionFull", "SessionReopened", "SessionClosed", "SalesClosed"]
    assert [version for _, version in of_session] == [1, 2, 3, 4, 4]
