"""Nothing is missed and nothing comes out of order: under concurrent transactions, after a lost connection, in every process."""

import asyncio
import random
from collections.abc import Callable, Sequence
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text
from tests.realtime.conftest import Heard, Listener, Square, until

from holdfast import events
from holdfast.common.actor import Actor, Role, UserId
from holdfast.database import Database
from holdfast.events import LogPosition
from holdfast.events.consumers import end_of_log, read_on
from holdfast.notifications.events import NotificationCreated
from holdfast.notifications.models import NotificationId, NotificationType
from holdfast.realtime import feed, window
from holdfast.realtime.handlers import Announcements
from holdfast.realtime.messages import Said
from holdfast.realtime.repository import Whereabouts
from holdfast.realtime.rooms import Members

PERSON = Actor(UserId.new(), Role.PASSENGER)
ROOM = f"user:{PERSON.id}"


def news(number: int = 1) -> NotificationCreated:
    return NotificationCreated(
        notification_id=NotificationId.of(UUID(int=number)), user_id=PERSON.id, type=NotificationType.BOOKING_CONFIRMED, version=number
    )


def numbers(heard: Sequence[Heard]) -> list[int]:
    return [each.body["version"] for each in heard if each.name == "notification.created"]


async def listener_in_room(square: Square) -> Listener:
    listener = await square.listener(PERSON)
    await listener.join(ROOM)
    return listener


async def test_a_long_transaction_holds_back_what_came_after_it(square: Square, database_url: str) -> None:
    listener = await listener_in_room(square)
    other = Database(database_url, name="long")
    async with other.transaction() as long:
        await events.publish(long, [news(1)])
        for number in (2, 3):
            await square.publish(news(number))
        await square.settle()
        # An answer comes after all that was said before it.
        await listener.ask("leave", room="nowhere")
        assert listener.heard == []
    await listener.until(lambda heard: len(heard) == 3)
    assert numbers(listener.heard) == [1, 2, 3]
    await other.close()


async def test_many_transactions_at_once_reach_everybody_whole_and_in_one_order(square: Square) -> None:
    other = await square.another()
    here, there = await listener_in_room(square), Listener()
    await there.connect(other.url, square.doorkeeper.token(PERSON))
    await there.join(ROOM)
    numbered = iter(range(1, 10_000))
    chance = random.Random(7)

    async def write() -> None:
        for _ in range(10):
            async with square.shop.database.transaction() as tx:
                for _ in range(chance.randint(1, 3)):
                    await events.publish(tx, [news(next(numbered))])
                    await tx.run(text("SELECT pg_sleep(:s)"), s=chance.random() / 100)
                if chance.random() < 0.2:
                    await tx.connection.rollback()
                    await tx.pg.rollback()

    await asyncio.gather(*(write() for _ in range(8)))
    async with square.shop.database.reading() as tx:
        rows = await tx.rows(text("SELECT version FROM events WHERE name = 'NotificationCreated' ORDER BY epoch, xid, position"))
    expected = [row["version"] for row in rows]
    for listener in (here, there):
        await listener.until(lambda heard: len(heard) >= len(expected))
        assert numbers(listener.heard) == expected
        places = [heard.at for heard in listener.heard]
        assert places == sorted(places)
    assert here.heard == there.heard
    await there.close()


async def test_who_comes_back_is_told_what_was_missed_while_more_happens(square: Square) -> None:
    """The log grows the whole time; in each round the listener is cut off and syncs with another process."""
    other = await square.another()
    published = 0
    is_over = asyncio.Event()

    async def publish() -> None:
        nonlocal published
        while not is_over.is_set():
            published += 1
            await square.publish(news(published))

    publishing = asyncio.create_task(publish())
    token = square.doorkeeper.token(PERSON)
    first = Listener()
    await first.connect(square.url, token)
    after = await first.join(ROOM)
    heard: list[Heard] = []
    missed: list[int] = []
    for server in (other, square, other, square):
        listener = Listener()
        await listener.connect(server.url, token)
        answer = await listener.ask("sync", room=ROOM, after=after)
        assert (answer["ok"], answer["resync"]) == (True, False)
        await listener.until(_more_than(len(listener.heard) + 5))
        await listener.client.disconnect()
        heard += listener.heard
        after = heard[-1].body["sequence"]
        missed.append(published + 5)
        await until(lambda: published > missed[-1])
    is_over.set()
    await publishing
    found = numbers(heard)
    assert found == list(range(found[0], found[0] + len(found)))
    await first.close()


async def test_syncing_again_and_again_tells_each_thing_once_while_more_happens(square: Square) -> None:
    listener = await square.listener(PERSON)
    after = await listener.join(ROOM)
    for number in range(1, 31):
        await square.publish(news(number))
        if number % 3 == 0:
            last = listener.heard[-1].body["sequence"] if listener.heard else after
            assert (await listener.ask("sync", room=ROOM, after=last))["resync"] is False
    await listener.until(lambda heard: numbers(heard)[-1:] == [30])
    # What was under way when the client named its place can come twice, never out of order after it, and nothing is left out.
    assert sorted(set(numbers(listener.heard))) == list(range(1, 31))


async def test_too_much_or_too_old_or_another_log_means_reading_anew(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "REPLAYED_MAX", 5)
    listener = await square.listener(PERSON)
    after = await listener.join(ROOM)
    await listener.ask("leave", room=ROOM)
    await square.publish(*(news(number) for number in range(1, 10)))
    await square.settle()
    answer = await listener.ask("sync", room=ROOM, after=after)
    assert (answer["ok"], answer["resync"]) == (True, True)
    here = LogPosition.parse(after)
    answer = await listener.ask("sync", room=ROOM, after=f"{here.epoch + 1}-{here.xid}-{here.position}")
    assert answer["resync"] is True
    monkeypatch.setattr(feed, "REPLAYED_MAX", 500)
    assert (await listener.ask("sync", room=ROOM, after=after))["resync"] is False
    monkeypatch.setattr(window, "SIZE_MAX", 5)
    assert (await listener.ask("sync", room=ROOM, after=f"{here.epoch}-1-1"))["resync"] is True
    heard = len(listener.heard)
    await square.publish(news(10))
    await listener.until(lambda each: len(each) > heard)
    assert numbers(listener.heard)[-1] == 10


async def test_when_everybody_comes_back_at_once_the_log_is_read_once(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server was away; the one that takes its place knows nothing of what was said meanwhile."""
    listener = await square.listener(PERSON)
    after = await listener.join(ROOM)
    await square.publish(*(news(number) for number in range(1, 101)))
    await listener.until_number(100)
    fresh = await square.another()
    reads = []

    async def counted(database: Database, position: LogPosition) -> object:
        reads.append(position)
        return await read_on(database, position)

    monkeypatch.setattr(feed, "read_on", counted)
    token = square.doorkeeper.token(PERSON)
    crowd = [Listener() for _ in range(30)]
    await asyncio.gather(*(each.connect(fresh.url, token) for each in crowd))
    answers = await asyncio.gather(*(each.ask("sync", room=ROOM, after=after) for each in crowd))
    assert not any(answer["resync"] for answer in answers)
    await square.publish(news(101))
    for each in crowd:
        await each.until_number(101)
        assert numbers(each.heard) == list(range(1, 102))
    assert len(reads) <= 2
    await asyncio.gather(*(each.close() for each in crowd))


async def test_the_answer_to_join_is_a_place_to_sync_from(square: Square) -> None:
    session = await square.session()
    watcher = await square.listener()
    after = await watcher.join(f"session:{session.id}")
    await watcher.client.disconnect()
    await square.shop.hold(await square.shop.person(), session)
    await square.settle()
    back = await square.listener()
    answer = await back.ask("sync", room=f"session:{session.id}", after=after)
    assert (answer["resync"], back.names) == (False, ["session.updated"])
    answer = await back.ask("sync", room=f"session:{session.id}", after=back.heard[-1].body["sequence"])
    assert (answer["resync"], back.names) == (False, ["session.updated"])
    await square.shop.hold(await square.shop.person(), session)
    await back.until_names("session.updated", "session.updated")


async def test_a_database_that_goes_away_leaves_no_gap(square: Square, database_url: str, superuser_url: str) -> None:
    listener = await listener_in_room(square)
    await square.publish(news(1))
    await listener.until(lambda heard: len(heard) == 1)
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as superuser:
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    other = Database(database_url, name="after")
    for number in (2, 3):
        async with other.transaction() as tx:
            await events.publish(tx, [news(number)])
    await other.close()
    await listener.until(lambda heard: len(heard) == 3)
    assert numbers(listener.heard) == [1, 2, 3]


async def test_an_event_that_cannot_be_said_stops_no_other(square: Square, monkeypatch: pytest.MonkeyPatch) -> None:
    of = Announcements.of

    def stumble(self: Announcements, recorded: events.Recorded, where: Whereabouts | None) -> list[Said]:
        if recorded.event.version == 2:
            raise RuntimeError("a fault in a builder")
        return of(self, recorded, where)

    monkeypatch.setattr(Announcements, "of", stumble)
    listener = await listener_in_room(square)
    await square.publish(news(1), news(2), news(3))
    await listener.until(lambda heard: len(heard) == 2)
    assert numbers(listener.heard) == [1, 3]


async def test_a_client_that_cannot_be_told_keeps_nobody_else_from_hearing(square: Square) -> None:
    broken, *whole = [await listener_in_room(square) for _ in range(4)]
    clients = square.realtime.server._clients
    clients[broken.client.get_sid()]._socket = None
    await square.publish(news(1))
    await square.publish(news(2))
    for listener in whole:
        await listener.until(lambda heard: len(heard) == 2)
    await asyncio.wait_for(broken.is_gone.wait(), 20)
    assert broken.heard == []


def _more_than(count: int) -> Callable[[Sequence[Heard]], bool]:
    return lambda heard: len(heard) > count


async def test_nobody_misses_what_is_said_while_they_connect(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle feed asks where the log ends; meanwhile somebody connects, is told the place before that, and something happens."""
    follower = feed.Feed(database, Members())
    heard: list[int] = []
    monkeypatch.setattr(follower, "_say", lambda recorded, _: heard.append(recorded.event.version))
    connected, asked = asyncio.Event(), 0
    follower.has_listeners = connected.is_set

    async def slow(of: Database) -> LogPosition:
        nonlocal asked
        asked += 1
        if asked == 3:
            async with database.transaction() as tx:
                await events.publish(tx, [news(7)])
            connected.set()
        return await end_of_log(of)

    async with database.transaction() as tx:
        await events.publish(tx, [news(1)])
    monkeypatch.setattr(feed, "end_of_log", slow)
    following = asyncio.create_task(follower.run())
    await until(lambda: bool(heard))
    following.cancel()
    # What happened before anybody was there is said to nobody.
    assert heard == [7]
