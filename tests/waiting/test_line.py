"""The line: who gets which number, who is let in when, and what is left after a restart."""

import asyncio
import functools
import os
import signal
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from tests.concurrency.together import together
from tests.cut import Cut
from tests.shop import JOINS_MAX, TURN, MoveTime, Shop
from tests.waiting.conftest import A_MOMENT, Line

from holdfast.app.check import examine
from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Overloaded
from holdfast.database import Database
from holdfast.database.retries import ConnectionLost
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.kind import SESSION_KIND
from holdfast.waiting.errors import NoPlace, NoWaitingRoom, TooManyJoins, WaitingRoomEnded
from holdfast.waiting.models import Standing
from holdfast.waiting.states import PlaceState, RoomState

ROOT = Path(__file__).parents[2]


async def test_numbers_are_given_out_in_the_order_of_arrival(line: Line) -> None:
    await line.open()
    people = [await line.shop.person() for _ in range(30)]
    standings = await asyncio.gather(*(line.join(person) for person in people))
    assert [standing.number for standing in standings] == list(range(1, 31))
    assert [standing.ahead for standing in standings] == list(range(30))
    assert {standing.state for standing in standings} == {PlaceState.WAITING}


async def test_joining_again_is_the_same_place_whatever_tab_or_process_it_comes_from(line: Line, other_shop: Shop) -> None:
    await line.open()
    await line.people(3)
    person = await line.shop.person()
    both = (line, line.elsewhere(other_shop))
    standings = await together([functools.partial(both[n % 2].join, person) for n in range(40)])
    await line.people(2)
    assert {standing.number for standing in standings if isinstance(standing, Standing)} == {4}
    assert len(standings) == 40
    assert (await line.join(person)).number == 4
    assert await line.numbers() == [1, 2, 3, 4, 5, 6]


async def test_two_hundred_joins_at_once_from_two_processes_are_numbered_without_gaps(line: Line, other_shop: Shop) -> None:
    await line.open()
    people = [await line.shop.person() for _ in range(200)]
    both = (line, line.elsewhere(other_shop))
    # Each of them twice, once in each process.
    standings = await together([functools.partial(both[n % 2].join, people[n // 2]) for n in range(400)])
    places = {(standing.ticket, standing.number) for standing in standings if isinstance(standing, Standing)}
    assert len(places) == 200
    assert sorted(number for _, number in places) == list(range(1, 201)) == await line.numbers()


async def test_nobody_is_let_in_faster_than_the_rate(line: Line) -> None:
    rate, seconds = 4, 5
    opened_at = await line.now()
    await line.open(per_second=rate)
    await line.people(60)
    for second in range(1, seconds + 1):
        await line.admit()
        number = len(await line.admitted())
        assert rate * second - 1 <= number <= rate * (await line.now() - opened_at).total_seconds()
    # What was not used is made up for over two seconds, not over an hour.
    assert len(await line.admit(timedelta(hours=1))) == 2 * rate


async def test_a_slow_rate_lets_in_one_after_another(line: Line) -> None:
    await line.open(per_second=0.01)
    await line.people(3)
    assert [await line.admit(timedelta(minutes=1)) for _ in range(4)] == [[], [1], [], [2]]


async def test_a_room_moves_once_a_second_at_most(line: Line) -> None:
    """However many processes try, and how often: whoever listens gets one message a second."""
    await line.open(per_second=1000, inside_max=1000)
    for _ in range(30):
        await line.people(1)
        await line.shop.waiting.admission.admit_due()
    await line.admit()
    times = [at for at, move in await line.recorded() if move.admitted]
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in pairwise(times))
    assert len(await line.admitted()) == 30


async def test_no_more_are_inside_than_may_be(line: Line) -> None:
    await line.open(inside_max=3)
    people = await line.people(10)
    assert await line.admit() == [1, 2, 3]
    assert await line.admit() == []
    await line.shop.hold(people[1], line.session)
    assert await line.admit() == [4]


async def test_nobody_is_let_in_for_whom_nothing_is_left(shop: Shop, move_time: MoveTime) -> None:
    line = Line(shop, await shop.session(seats=5), move_time)
    await line.open()
    people = await line.people(10)
    assert await line.admit() == [1, 2, 3, 4, 5]
    await shop.hold(people[0], line.session, seats=3)
    assert await line.admit() == []


async def test_a_turn_that_is_not_used_lapses_and_its_person_comes_in_at_the_end_again(line: Line) -> None:
    await line.open(inside_max=1)
    first, second, third = await line.people(3)
    await line.admit()
    assert (await line.ask(first)).state is PlaceState.ADMITTED
    assert await line.admit(TURN) == [2]
    assert (await line.ask(first)).state is PlaceState.LAPSED
    assert (await line.ask(second)).state is PlaceState.ADMITTED
    again = await line.join(first)
    assert (again.number, again.ahead, again.state) == (4, 1, PlaceState.WAITING)
    assert (await line.ask(third)).ahead == 0


async def test_joining_again_with_a_turn_in_hand_changes_nothing(line: Line) -> None:
    await line.open()
    (person,) = await line.people(1)
    await line.admit()
    before = await line.ask(person)
    assert await line.join(person) == before
    assert before.state is PlaceState.ADMITTED
    assert before.admitted_until is not None


async def test_how_often_one_person_may_join_has_a_limit(line: Line) -> None:
    await line.open()
    (person,) = await line.people(1)
    for _ in range(JOINS_MAX - 1):
        await line.admit()
        line.move_time(TURN)
        await line.join(person)
    await line.admit()
    line.move_time(TURN)
    with pytest.raises(TooManyJoins) as refused:
        await line.join(person)
    assert refused.value.facts == {"joins": JOINS_MAX, "joins_max": JOINS_MAX}
    # The line has no gap for it.
    (other,) = await line.people(1)
    assert (await line.ask(other)).ahead == 0


async def test_who_waits_for_sold_out_seats_is_told_so_and_let_in_when_one_comes_back(shop: Shop, move_time: MoveTime) -> None:
    line = Line(shop, await shop.session(seats=2), move_time)
    await line.open()
    first, second, third = await line.people(3)
    await line.admit()
    held = await shop.hold(first, line.session)
    await shop.hold(second, line.session)
    await line.admit()
    await line.see()
    sold_out = await line.ask(third)
    assert (sold_out.room.state, sold_out.state, sold_out.wait_s) == (RoomState.SOLD_OUT, PlaceState.WAITING, None)
    assert (await line.moves())[-1].state is RoomState.SOLD_OUT
    await shop.bookings.service.release(first, None, held.id)
    assert await line.admit() == [3]
    assert (await line.moves())[-1].state is RoomState.OPEN
    await shop.hold(third, line.session)


async def test_lapsed_holds_count_as_free(shop: Shop, move_time: MoveTime) -> None:
    line = Line(shop, await shop.session(seats=1), move_time)
    await line.open()
    first, second = await line.people(2)
    await line.admit()
    await shop.hold(first, line.session)
    assert await line.admit() == []
    assert await line.admit(timedelta(minutes=5)) == [2]
    await shop.hold(second, line.session)


async def test_a_session_that_closes_ends_its_line(line: Line) -> None:
    await line.open(inside_max=1)
    people = await line.people(3)
    await line.shop.sessions.service.close(Actor(line.session.driver_id, Role.DRIVER), None, line.session.id)
    assert await line.admit() == []
    await line.see()
    assert (await line.moves())[-1].state is RoomState.ENDED
    assert (await line.ask(people[2])).room.state is RoomState.ENDED
    with pytest.raises(WaitingRoomEnded):
        await line.join(await line.shop.person())
    assert await line.admit() == []


async def test_an_empty_line_ends_with_its_session_too(line: Line) -> None:
    await line.open()
    await line.shop.sessions.service.close(Actor(line.session.driver_id, Role.DRIVER), None, line.session.id)
    await line.admit()
    assert [move.state for move in await line.moves()] == [RoomState.OPEN, RoomState.ENDED]


async def test_rooms_that_have_nothing_to_do_write_nothing(line: Line) -> None:
    """Whatever waits for seats, or has nobody in it, leaves no events and no versions behind."""
    room = await line.open(inside_max=1)
    await line.people(2)
    await line.admit()
    before = len(await line.moves())
    for _ in range(5):
        await line.admit()
    assert len(await line.moves()) == before == 2
    await line.see()
    seen = line.shop.waiting.sight.room(line.session.id)
    assert seen is not None
    assert seen.version == room.version + 1


async def test_many_rooms_move_together(line: Line) -> None:
    lines = [line, *[Line(line.shop, await line.shop.session(), line.move_time) for _ in range(60)]]
    for each in lines:
        await each.open(inside_max=1)
    for person in [await line.shop.person(), await line.shop.person()]:
        await asyncio.gather(*(each.join(person) for each in lines))
    line.move_time(A_MOMENT)
    assert await line.shop.waiting.admission.admit_due() == 61
    assert [await each.admitted() for each in lines] == [[1]] * 61


async def test_a_line_that_is_turned_off_goes_on_where_it_stood(line: Line) -> None:
    await line.open(inside_max=1)
    people = await line.people(3)
    await line.admit()
    await line.turn_off()
    await line.shop.hold(people[2], line.session)
    for deed in (line.join(people[0]), line.ask(people[0])):
        with pytest.raises(NoWaitingRoom):
            await deed
    assert await line.admit() == []
    room = await line.open(inside_max=2)
    assert (room.admitted_up_to, room.last_number) == (1, 3)
    assert (await line.ask(people[1])).number == 2
    assert await line.admit() == [2]


async def test_only_the_driver_and_admins_change_a_room_and_it_is_audited(line: Line) -> None:
    service, session_id = line.shop.waiting.service, line.session.id
    with pytest.raises(SessionUnknown):
        await service.put(await line.shop.driver(), SESSION_KIND, session_id, is_open=True)
    with pytest.raises(NoWaitingRoom):
        await line.turn_off()
    await line.open(per_second=5, inside_max=9)
    await line.open(per_second=5, inside_max=9)
    admin = await line.shop.person(Role.ADMIN)
    changed = await service.put(admin, SESSION_KIND, session_id, is_open=True, per_second=7)
    assert (changed.per_second, changed.inside_max) == (7, 9)
    await line.turn_off()
    async with line.shop.database.reading() as tx:
        deeds = await tx.rows(
            text(
                "SELECT actor_id, before, after FROM audit_logs WHERE action = 'waiting_room.changed' AND entity_id = :id ORDER BY position"
            ),
            id=session_id,
        )
    opened = {"state": "OPEN", "perSecond": 5.0, "insideMax": 9}
    faster = {**opened, "perSecond": 7.0}
    assert [(deed["actor_id"], deed["before"], deed["after"]) for deed in deeds] == [
        (line.session.driver_id, None, opened),
        (admin.id, opened, faster),
        (line.session.driver_id, faster, {**faster, "state": "OFF"}),
    ]
    assert [move.version for move in await line.moves()] == [1, 2, 3]


async def test_where_there_is_no_room_nobody_has_a_place(line: Line) -> None:
    person = await line.shop.person()
    for deed in (line.join(person), line.ask(person)):
        with pytest.raises(NoWaitingRoom):
            await deed
    await line.open()
    with pytest.raises(NoPlace):
        await line.ask(person)


async def test_a_ticket_answers_without_the_database(line: Line, database_url: str, move_time: MoveTime) -> None:
    await line.open(inside_max=1)
    people = await line.people(3)
    await line.admit()
    async with Cut(database_url) as cut:
        database = Database(cut.url, name="test cut")
        cut_off = line.elsewhere(Shop(database))
        ticket = (await cut_off.ask(people[2])).ticket
        cut.lose_answers()
        standing = await cut_off.ask(people[2], ticket)
        assert (standing.number, standing.ahead, standing.state, standing.ticket) == (3, 1, PlaceState.WAITING, ticket)
        # The same question without it needs the database.
        with pytest.raises((Overloaded, ConnectionLost, psycopg.OperationalError)):
            await cut_off.ask(people[2])
        await database.close()


async def test_a_ticket_is_good_for_its_person_and_its_room_only(line: Line) -> None:
    await line.open(inside_max=1)
    await line.people(1)
    early, late = await line.people(2)
    await line.see()
    ticket = (await line.ask(early)).ticket
    assert (await line.ask(late, ticket)).number == 3
    other = Line(line.shop, await line.shop.session(), line.move_time)
    await other.open()
    with pytest.raises(NoPlace):
        await other.ask(early, ticket)


async def test_a_ticket_whose_turn_has_come_is_looked_up(line: Line) -> None:
    await line.open()
    (person,) = await line.people(1)
    ticket = (await line.ask(person)).ticket
    await line.admit()
    await line.see()
    assert (await line.ask(person, ticket)).state is PlaceState.ADMITTED


async def test_the_wait_is_told_by_the_rate(line: Line) -> None:
    await line.open(per_second=10, inside_max=5)
    people = await line.people(40)
    await line.see()
    assert (await line.ask(people[-1])).wait_s == 4
    assert (await line.ask(people[0])).wait_s == 1


async def test_who_joins_does_not_keep_the_line_from_moving(line: Line, owner_url: str) -> None:
    """In a crowd the counter is always locked; a room whose own counter is stuck stops no other."""
    await line.open()
    await line.people(2)
    other = Line(line.shop, await line.shop.session(), line.move_time)
    await other.open()
    with psycopg.connect(owner_url) as owner:
        owner.execute("SELECT FROM waiting_counters WHERE owner_id = %s FOR UPDATE", (line.session.id,))
        stuck = asyncio.create_task(line.join(await line.shop.person()))
        free = await other.join(await line.shop.person())
        assert free.number == 1
        assert await line.admit() == [1, 2]
        with pytest.raises(Overloaded):
            await stuck
    assert await line.numbers() == [1, 2]


async def test_another_process_goes_on_where_one_stopped(line: Line, database_url: str) -> None:
    await line.open(inside_max=2)
    people = await line.people(5)
    await line.admit()
    held = await line.shop.hold(people[0], line.session)
    ticket = (await line.ask(people[4])).ticket
    await line.shop.database.close()

    database = Database(database_url, name="after the restart")
    after = line.elsewhere(Shop(database, live_holds_max=100))
    assert (await after.ask(people[4], ticket)).number == 5
    assert (await after.join(people[1])).state is PlaceState.ADMITTED
    assert await after.admit() == [3]
    (late,) = await after.people(1)
    assert (await after.ask(late)).number == 6
    assert (await after.shop.booking(held.id)).customer_id == people[0].id
    await database.close()


async def test_kill_9_in_the_middle_loses_nobody_who_was_told_a_number(line: Line, database_url: str) -> None:
    """A process that numbers and admits people dies between two steps; another one goes on, with every number still in its place."""
    await line.open(inside_max=7)
    acknowledged: dict[str, int] = {}
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.waiting.dying", database_url, line.session.id.hex,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout
        told = 0
        while told < 60:
            user_id, number = (await process.stdout.readline()).decode().split()
            acknowledged[user_id] = int(number)
            told += 1
        process.kill()
        rest = (await process.stdout.read()).decode().splitlines()
        acknowledged |= {words[0]: int(words[1]) for each in rest if len(words := each.split()) == 2}
        assert await process.wait() == -signal.SIGKILL
        await line.admit()
    async with line.shop.database.reading() as tx:
        rows = await tx.rows(text("SELECT user_id, number FROM waiting_places WHERE owner_id = :id"), id=line.session.id)
    kept = {row["user_id"].hex: row["number"] for row in rows}
    assert len(acknowledged) >= 180
    assert {user_id: kept.get(user_id) for user_id in acknowledged} == acknowledged
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))
    assert (await examine(database_url, test_clock=True)).broken == []
