"""The event log: read without gaps, applied once."""

import re
from collections.abc import Sequence
from typing import ClassVar, LiteralString

import pytest
from sqlalchemy import text

from holdfast import events
from holdfast.common.actor import UserId
from holdfast.database import Database, Tx
from holdfast.events import Event, Recorded, repository
from holdfast.events.consumers import consume_next, follow_next, tail
from holdfast.events.models import START_OF_LOG


class Waved(Event, frozen=True, kw_only=True):
    """Somebody waved."""

    subject: ClassVar[str] = "user_id"
    user_id: UserId


class Nodded(Event, frozen=True, kw_only=True):
    """Somebody nodded, which nobody here is waiting for."""

    subject: ClassVar[str] = "user_id"
    user_id: UserId


def waves(*versions: int) -> list[Waved]:
    return [Waved(version=version, user_id=UserId.new()) for version in versions]


class Counting:
    """Writes down what it consumed in the database, and stumbles when it is told to."""

    name = "test.counting"
    wants: frozenset[type[Event]] = frozenset({Waved})

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.stumbles = 0

    async def consume(self, tx: Tx, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            await tx.run(text("INSERT INTO limit_counters VALUES ('wave', :version, '2026-01-01', 1)"), version=str(each.event.version))
        if self.stumbles:
            self.stumbles -= 1
            raise ZeroDivisionError
        self.seen += [each.event.version for each in recorded]

    async def follow(self, recorded: Sequence[Recorded]) -> None:
        self.seen += [each.event.version for each in recorded]
        if self.stumbles:
            self.stumbles -= 1
            raise ZeroDivisionError


async def announce(database: Database, *versions: int) -> None:
    async with database.transaction() as tx:
        await events.publish(tx, waves(*versions))


async def test_events_are_read_back_as_they_were_announced_in_order(database: Database) -> None:
    await announce(database, 1, 2, 3)
    await announce(database, 4)
    async with database.reading() as tx:
        recorded, _ = await repository.read_after(tx, START_OF_LOG, 10)
    assert [each.event.version for each in recorded] == [1, 2, 3, 4]
    assert [each.at for each in recorded] == sorted(each.at for each in recorded)
    assert isinstance(recorded[0].event, Waved)


async def test_an_older_transaction_that_still_runs_hides_what_came_after_it(database: Database) -> None:
    """Its rows belong before theirs: read now, they would be missed for ever."""
    async with database.transaction() as slow:
        await events.publish(slow, waves(1))
        await announce(database, 2)
        async with database.reading() as tx:
            recorded, end = await repository.read_after(tx, START_OF_LOG, 10)
        assert recorded == []
    async with database.reading() as tx:
        recorded, _ = await repository.read_after(tx, end, 10)
    assert [each.event.version for each in recorded] == [1, 2]


async def test_without_the_horizon_an_event_would_be_missed(database: Database) -> None:
    """The control of the test above: the same, reading past the oldest running transaction."""
    query = repository.SQL.read_after
    kept, query.text = query.text, query.text.replace("xid < pg_snapshot_xmin(pg_current_snapshot())", "true")
    try:
        async with database.transaction() as slow:
            await events.publish(slow, waves(1))
            await announce(database, 2)
            async with database.reading() as tx:
                first, end = await repository.read_after(tx, START_OF_LOG, 10)
        async with database.reading() as tx:
            second, _ = await repository.read_after(tx, end, 10)
    finally:
        query.text = kept
    assert [each.event.version for each in [*first, *second]] == [2]


async def test_a_consumer_applies_each_event_once_even_when_it_stumbles(database: Database) -> None:
    consumer = Counting()
    await announce(database, 1, 2)
    consumer.stumbles = 1
    with pytest.raises(ZeroDivisionError):
        await consume_next(database, consumer)
    assert await consume_next(database, consumer) == 2
    assert await consume_next(database, consumer) == 0
    await announce(database, 3)
    await consume_next(database, consumer)
    async with database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM limit_counters")) == 3
    assert consumer.seen == [1, 2, 3]


async def test_two_workers_do_not_consume_the_same_events(database: Database, database_url: str) -> None:
    other = Database(database_url)
    await announce(database, 1)
    await consume_next(database, Counting())
    async with other.transaction() as tx:
        assert await repository.lock_cursor(tx, "test.counting") is not None
        assert await consume_next(database, Counting()) == 0
    await other.close()


async def test_a_follower_that_stumbles_sees_its_events_again(database: Database) -> None:
    follower = Counting()
    follower.stumbles = 1
    await announce(database, 1)
    with pytest.raises(ZeroDivisionError):
        await follow_next(database, follower)
    assert await follow_next(database, follower) == 1
    assert follower.seen == [1, 1]


async def test_the_tail_shows_what_comes_after_the_place_where_it_began(database: Database) -> None:
    await announce(database, 1)
    async with database.reading() as tx:
        began = await repository.end_of_log(tx)
    await announce(database, 2)
    async for recorded in tail(database, wait_s=0.01, after=began):
        assert [each.event.version for each in recorded] == [2]
        break


async def test_a_new_epoch_comes_after_the_old_one_though_its_transaction_ids_are_smaller(database: Database, owner: Database) -> None:
    await announce(database, 1)
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE events SET xid = '900000000000'"))
        await tx.run(text("INSERT INTO log_epochs (epoch) VALUES (2)"))
    await announce(database, 2)
    consumer = Counting()
    while await consume_next(database, consumer):
        pass
    assert consumer.seen == [1, 2]


async def test_a_reader_passes_over_what_it_does_not_want(database: Database) -> None:
    nods = [Nodded(version=each, user_id=UserId.new()) for each in range(1, 4)]
    async with database.transaction() as tx:
        await events.publish(tx, [nods[0], *waves(1), nods[1], *waves(2), nods[2]])
    consumer, follower = Counting(), Counting()
    follower.name = "test.following"
    for reader, step in ((consumer, consume_next), (follower, follow_next)):
        while await step(database, reader):
            pass
        assert reader.seen == [1, 2]
    async with database.reading() as tx:
        assert {lag.consumer: lag.seconds for lag in await repository.lags(tx)} == {"test.counting": 0.0, "test.following": 0.0}
        everything, end = await repository.read_after(tx, START_OF_LOG, 9)
        assert [type(each.event) for each in everything] == [Nodded, Waved, Nodded, Waved, Nodded]
        assert await repository.read_after(tx, START_OF_LOG, 9, []) == ([], end)
        assert (await repository.read_after(tx, START_OF_LOG, 1, [Waved]))[0] == []


async def test_lag_tells_how_far_a_consumer_is_behind(database: Database) -> None:
    await announce(database, 1)
    await consume_next(database, Counting())
    async with database.reading() as tx:
        assert [(lag.consumer, lag.seconds) for lag in await repository.lags(tx)] == [("test.counting", 0.0)]
    await announce(database, 2)
    async with database.reading() as tx:
        assert (await repository.lags(tx))[0].seconds > 0


@pytest.mark.parametrize("epoch", [0, 1], ids=["from the start", "from where it stood"])
async def test_reading_on_costs_no_more_where_much_is_left(database: Database, owner: Database, epoch: int) -> None:
    """It goes along the index and stops: a reader that fell behind would otherwise sort all that is left, with every read."""
    for _ in range(20):
        await announce(database, *range(1, 101))
    async with owner.transaction() as tx:
        await tx.run(text("ANALYZE events"))
    async with database.transaction() as tx:
        parameters = {"epoch": epoch, "xid": "0", "position": 0, "limit": 10, "names": None}
        explain: LiteralString = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) "
        found = await (await tx.pg.execute(explain + repository.SQL.read_after.text, parameters)).fetchall()
    plan = "\n".join(line for (line,) in found)
    scans = re.findall(r"Index Scan using events_.* rows=(\d+)", plan)
    assert scans, plan
    assert max(int(rows) for rows in scans) <= 10, plan
