"""The gate: who may hold, and for how many holds one turn is good."""

import asyncio
from datetime import timedelta

import pytest
from psycopg import errors as pg_errors
from sqlalchemy import text
from tests.shop import TURN, MoveTime, Shop, fresh_key
from tests.waiting.conftest import Line

from holdfast.bookings.models import HeldBooking
from holdfast.common.actor import Actor, Role
from holdfast.database import Database
from holdfast.resources.gate import NotAdmitted
from holdfast.sessions.errors import SessionClosedAlready, SoldOut
from holdfast.waiting.states import PlaceState


async def test_who_was_not_admitted_is_told_where_to_join(line: Line) -> None:
    await line.open(inside_max=1)
    first, second = await line.people(2)
    outsider = await line.shop.person()
    await line.admit()
    for person in (second, outsider):
        with pytest.raises(NotAdmitted) as refused:
            await line.shop.hold(person, line.session)
        assert refused.value.facts == {"join": f"/sessions/{line.session.id}/waiting-room/join"}
    assert (await line.shop.hold(first, line.session)).available == 59
    assert (await line.ask(first)).state is PlaceState.USED
    assert await line.bookings() == 1


async def test_a_turn_is_good_for_one_hold_and_giving_it_back_does_not_bring_it_back(line: Line) -> None:
    """Holding, releasing and holding again keeps seats from everybody for as long as one likes; here it costs a new wait."""
    await line.open()
    (person,) = await line.people(1)
    await line.admit()
    held = await line.shop.hold(person, line.session)
    await line.shop.bookings.service.release(person, None, held.id)
    with pytest.raises(NotAdmitted):
        await line.shop.hold(person, line.session)
    await line.people(5)
    again = await line.join(person)
    assert (again.number, again.ahead) == (7, 5)
    await line.admit()
    await line.shop.hold(person, line.session)


async def test_a_refused_hold_does_not_use_the_turn_up(shop: Shop, move_time: MoveTime) -> None:
    line = Line(shop, await shop.session(seats=3), move_time)
    await line.open()
    (person,) = await line.people(1)
    await line.admit()
    with pytest.raises(SoldOut):
        await shop.hold(person, line.session, seats=4)
    assert (await shop.hold(person, line.session, seats=3)).quantity == 3


async def test_the_same_key_is_answered_after_the_turn_was_used(line: Line) -> None:
    await line.open()
    (person,), key = await line.people(1), fresh_key()
    await line.admit()
    held = await line.shop.hold(person, line.session, key=key)
    assert await line.shop.hold(person, line.session, key=key) == held


async def test_a_refusal_is_judged_anew_with_the_same_key(line: Line) -> None:
    await line.open()
    person, key = await line.shop.person(), fresh_key()
    with pytest.raises(NotAdmitted):
        await line.shop.hold(person, line.session, key=key)
    await line.join(person)
    await line.admit()
    await line.shop.hold(person, line.session, key=key)


async def test_a_turn_that_lapsed_lets_nobody_in(line: Line) -> None:
    await line.open()
    (person,) = await line.people(1)
    await line.admit()
    line.move_time(TURN - timedelta(seconds=30))
    assert (await line.ask(person)).state is PlaceState.ADMITTED
    line.move_time(timedelta(seconds=30))
    with pytest.raises(NotAdmitted):
        await line.shop.hold(person, line.session)


async def test_a_turn_for_one_session_is_none_for_another(line: Line) -> None:
    other = Line(line.shop, await line.shop.session(), line.move_time)
    await line.open()
    await other.open()
    (person,) = await line.people(1)
    await line.admit()
    with pytest.raises(NotAdmitted):
        await line.shop.hold(person, other.session)
    free = await line.shop.session()
    assert isinstance(await line.shop.hold(person, free), HeldBooking)
    # What was held elsewhere used nothing up.
    await line.shop.hold(person, line.session)


async def test_a_session_that_closed_says_so_once_its_line_has_ended(line: Line) -> None:
    await line.open()
    (person,) = await line.people(1)
    await line.admit()
    await line.shop.sessions.service.close(Actor(line.session.driver_id, Role.DRIVER), None, line.session.id)
    await line.admit()
    await line.see()
    with pytest.raises(SessionClosedAlready):
        await line.shop.hold(person, line.session)


async def test_owners_without_a_room_cost_no_statement(line: Line, owner: Database) -> None:
    """Without the table of places every question about a place would fail."""
    await line.open()
    async with owner.transaction() as tx:
        await tx.run(text("ALTER TABLE waiting_places RENAME TO elsewhere"))
    session, person = await line.shop.session(), await line.shop.person()
    assert isinstance(await line.shop.hold(person, session), HeldBooking)
    with pytest.raises(pg_errors.UndefinedTable):
        await line.shop.hold(person, line.session)


async def test_another_process_hears_of_a_new_room_within_a_second(line: Line, other_shop: Shop) -> None:
    """What it remembers lives a second; nothing else tells it."""
    await other_shop.waiting.sight.look()
    await line.open()
    assert line.shop.waiting.gate.guards(line.session.id)
    async with asyncio.timeout(10):
        while not other_shop.waiting.gate.guards(line.session.id):
            await other_shop.hold(await other_shop.person(), await other_shop.session())
    with pytest.raises(NotAdmitted):
        await other_shop.hold(await other_shop.person(), line.session)
