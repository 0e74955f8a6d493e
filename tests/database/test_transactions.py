"""Transactions: what commits, what does not, and what nobody knows."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text
from tests.cut import Cut

from holdfast.common.errors import Overloaded
from holdfast.database import Database, NetworkInsideTransaction, OutcomeUnknown, Tx, forbid_inside_transaction, retried
from holdfast.database.retries import ConnectionLost

INSERT = text("INSERT INTO idempotency_keys (actor_id, key, fingerprint) VALUES (gen_random_uuid(), :key, '')")
COUNT = text("SELECT count(*) FROM idempotency_keys")
KILL_ME = text("SELECT pg_terminate_backend(pg_backend_pid())")


async def count(database: Database) -> int:
    async with database.reading() as tx:
        return int(await tx.value(COUNT))


async def test_a_block_that_ends_commits_and_one_that_raises_does_not(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run(INSERT, key="kept")

    async def stumble() -> None:
        async with database.transaction() as tx:
            await tx.run(INSERT, key="lost")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await stumble()
    assert await count(database) == 1


async def test_reading_may_not_write(database: Database) -> None:

    async def write() -> None:
        async with database.reading() as tx:
            await tx.run(INSERT, key="no")

    with pytest.raises(Exception, match="read-only"):
        await write()
    async with database.transaction() as tx:
        await tx.run(INSERT, key="yes")


async def test_a_connection_that_breaks_before_commit_did_nothing_and_the_next_one_is_fresh(database: Database) -> None:
    async def deed() -> None:
        async with database.transaction() as tx:
            await tx.run(INSERT, key="lost")
            await tx.run(KILL_ME)

    with pytest.raises(ConnectionLost):
        await deed()
    assert await count(database) == 0


async def test_idle_connections_that_the_server_ended_are_not_used(database: Database, superuser_url: str) -> None:
    await asyncio.gather(*(count(database) for _ in range(5)))
    async with await psycopg.AsyncConnection.connect(superuser_url) as superuser:
        await superuser.set_autocommit(True)
        # With a time, it waits until each is gone.
        await superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'test'")
    assert await asyncio.gather(*(count(database) for _ in range(5))) == [0] * 5


async def test_the_lost_answer_to_a_commit_is_an_unknown_outcome(database_url: str) -> None:
    """The commit reached the server, and its answer did not come back: nobody may call that a failure."""
    async with Cut(database_url) as cut:
        database = Database(cut.url)

        async def deed() -> None:
            async with database.transaction() as tx:
                await tx.run(INSERT, key="done")
                cut.lose_answers()

        with pytest.raises(OutcomeUnknown):
            await deed()
        cut.heal()
        assert await count(database) == 1
        await database.close()


async def test_a_commit_is_not_cancelled(database: Database) -> None:
    """Whoever waits may go away while COMMIT runs; the commit stands."""
    began = asyncio.Event()

    async def deed() -> None:
        async with database.transaction() as tx:
            await tx.run(INSERT, key="kept")
            began.set()

    for _ in range(20):
        began.clear()
        task = asyncio.create_task(deed())
        await began.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    # Cancelled before COMMIT or after: each is whole, and no connection is left in a transaction.
    async with database.reading() as tx:
        stuck = await tx.value(
            text("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND pid <> pg_backend_pid()")
        )
    assert stuck == 0


async def test_no_connection_within_a_second_is_overload(database_url: str) -> None:
    small = Database(database_url, connections=1)
    async with small.transaction():
        with pytest.raises(Overloaded):
            async with small.transaction():
                raise AssertionError("there was a second one")
        assert await count(small) == 0, "reading has connections of its own"
    await small.close()


async def test_the_network_is_forbidden_inside_a_transaction(database: Database) -> None:
    forbid_inside_transaction("Redis")
    async with database.transaction():
        with pytest.raises(NetworkInsideTransaction):
            forbid_inside_transaction("Redis")
    forbid_inside_transaction("Redis")


class Deeds:
    """A use case that fails as often as it is told to."""

    def __init__(self, database: Database, fail: list[type[Exception]]) -> None:
        self.database = database
        self.fail = fail
        self.calls = 0

    @retried
    async def do(self) -> int:
        self.calls += 1
        if self.fail:
            raise self.fail.pop(0)
        return self.calls


async def test_what_may_be_repeated_is_called_again_and_at_most_three_times(database: Database) -> None:
    assert await Deeds(database, [OutcomeUnknown, ConnectionLost]).do() == 3
    with pytest.raises(Overloaded):
        await Deeds(database, [OutcomeUnknown] * 3).do()
    stubborn = Deeds(database, [ZeroDivisionError])
    with pytest.raises(ZeroDivisionError):
        await stubborn.do()
    assert stubborn.calls == 1


async def test_two_that_lock_in_opposite_order_both_end(database: Database) -> None:
    """PostgreSQL ends one of them as a deadlock; it is called again and has its turn."""
    async with database.transaction() as tx:
        for key in ("a", "b"):
            await tx.run(INSERT, key=key)
    lock = text("SELECT 1 FROM idempotency_keys WHERE key = :key FOR UPDATE")
    together = asyncio.Barrier(2)

    class Pair:
        tries = 0

        @retried
        async def lock_both(self, first: str, second: str) -> None:
            async with database.transaction() as tx:
                await tx.run(lock, key=first)
                if self.tries < 2:
                    self.tries += 1
                    await together.wait()
                await tx.run(lock, key=second)

    pair = Pair()
    await asyncio.gather(pair.lock_both("a", "b"), pair.lock_both("b", "a"))


async def test_both_roles_are_what_they_should_be(database: Database) -> None:
    """The application may not change what can never be changed, and makes no tables."""
    for statement in (
        "UPDATE events SET name = 'x'",
        "DELETE FROM events",
        "TRUNCATE events",
        "UPDATE audit_logs SET action = 'x'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
        "UPDATE ledger_entries SET amount = 0",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "CREATE TABLE mine (id int)",
    ):
        with pytest.raises(Exception, match="permission denied"):
            await _run(database, statement)


async def _run(database: Database, statement: str) -> None:
    async with database.transaction() as tx:
        await tx.run(text(statement))


async def test_deadlines_are_set(database: Database) -> None:
    async with database.transaction() as tx:
        shown = {name: await _show(tx, name) for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")}
    assert shown == {"statement_timeout": "3s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}


async def _show(tx: Tx, name: str) -> str:
    return str(await tx.value(text("SELECT current_setting(:name)"), name=name))
