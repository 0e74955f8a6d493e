"""The sealer: every row once, in the order of the log, whoever is killed and however many seal."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import LiteralString

import pytest
from sqlalchemy import text
from tests.audit import dying
from tests.audit.log import record, seal, sealed_log
from tests.races import guarded_and, race

from holdfast.audit import module, repository
from holdfast.audit.chain import BEGINNING
from holdfast.audit.sealer import Sealer
from holdfast.audit.verification import verify
from holdfast.database import Database
from holdfast.vault import PersonalVault, Vault

ROOT = Path(__file__).parents[2]


async def _counts(database: Database) -> tuple[int, int, int]:
    """Rows, rows that are sealed, seals."""
    async with database.reading() as tx:
        counted = text("SELECT (SELECT count(*) FROM audit_logs), count(DISTINCT log_id), count(*) FROM audit_seals")
        rows, sealed, seals = (await tx.rows(counted))[0].values()
        return rows, sealed, seals


async def _is_whole(database: Database, rows: int) -> bool:
    verdict = await verify(database)
    return (verdict.count, verdict.rows, verdict.head.number) == (0, rows, rows)


async def test_rows_are_sealed_in_the_order_of_the_log(database: Database) -> None:
    await record(database, 3)
    assert await Sealer(database).seal_some() == 3
    assert await Sealer(database).seal_some() == 0
    await sealed_log(database, 2)
    async with database.reading() as tx:
        seals = await repository.seals_after(tx, 0, 9, 10)
        rows = await repository.to_seal(tx, BEGINNING.place, 10)
        head = await repository.read_head(tx)
    assert [seal.number for seal in seals] == [1, 2, 3, 4, 5]
    assert [seal.log_id for seal in seals] == [row.id for row in rows]
    assert [seal.place for seal in seals] == sorted(row.place for row in rows)
    assert (head.number, head.hash) == (5, seals[-1].hash)
    assert await _is_whole(database, 5)


async def test_a_row_of_a_transaction_that_still_runs_is_waited_for(database: Database) -> None:
    """Sealed past it, it would come in before rows that are sealed."""
    async with database.transaction() as slow:
        await slow.run(text("INSERT INTO limit_counters VALUES ('slow', '', '2026-01-01', 1)"))
        await record(database, 2)
        assert await Sealer(database).seal_some() == 0
    await seal(database)
    assert await _is_whole(database, 2)


async def test_without_the_horizon_a_row_would_come_in_before_sealed_ones(database: Database) -> None:
    """The control of the test above: the same, sealing past the oldest running transaction."""
    query = repository.SQL.to_seal
    kept, query.text = query.text, query.text.replace("xid < pg_snapshot_xmin(pg_current_snapshot())", "true")
    assert kept != query.text
    try:
        async with database.transaction() as slow:
            await slow.run(
                text(
                    "INSERT INTO audit_logs (id, actor_id, actor_role, action, entity, entity_id)"
                    " SELECT gen_random_uuid(), gen_random_uuid(), 'SYSTEM', 'lantern.lost', 'lantern', gen_random_uuid()"
                )
            )
            await record(database, 1)
            await seal(database)
        await seal(database)
    finally:
        query.text = kept
    assert await _counts(database) == (2, 1, 1)


@guarded_and("audit.without_head_lock")
async def test_two_who_seal_at_once_seal_nothing_twice(database: Database, database_url: str, owner_url: str, guard: str | None) -> None:
    others = [Database(database_url, name="another sealer", connections=2, readers=0) for _ in range(3)]

    async def once() -> str:
        await record(database, 3)
        await asyncio.gather(*(Sealer(each).seal_some() for each in [database, *others]))
        await seal(database)
        rows, sealed, seals = await _counts(database)
        return "" if rows == sealed == seals else f"{rows} rows, {sealed} of them sealed, with {seals} seals"

    try:
        await race(once, guard, owner_url, rounds=20)
    finally:
        for each in others:
            await each.close()


async def test_whoever_comes_second_stands_back(database: Database, database_url: str) -> None:
    await record(database)
    other = Database(database_url)
    async with other.transaction() as tx:
        assert await repository.lock_head(tx) is not None
        assert await Sealer(database).seal_some() == 0
    await other.close()
    assert await Sealer(database).seal_some() == 1


@pytest.mark.parametrize("point", dying.POINTS)
async def test_the_chain_survives_its_sealer(database: Database, point: str) -> None:
    await sealed_log(database, 2)
    await record(database, 3)
    arguments = ("-m", "tests.audit.dying", point, database.url)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, env=environment)
    assert await process.wait() == -signal.SIGKILL
    assert (await _counts(database))[2] == (5 if point == "after the commit" else 2)
    # The server takes a moment to notice, and lets the lock go then.
    async with asyncio.timeout(20):
        while (await _counts(database))[2] < 5:
            await seal(database)
    assert await _is_whole(database, 5)


async def test_the_loop_seals_within_a_second(database: Database, database_url: str) -> None:
    working = Database(database_url, name="worker")
    loop = asyncio.create_task(module.build(working, PersonalVault(Vault("a secret"))).sealer.run())
    try:
        for count in range(1, 6):
            await record(database)
            async with asyncio.timeout(1):
                while (await _counts(database))[2] < count:
                    await asyncio.sleep(0.02)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await working.close()


async def test_the_chain_goes_on_over_epochs(database: Database, owner: Database) -> None:
    """A restored cluster counts its transactions anew, below those of before."""
    await record(database, 2)
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE audit_logs SET xid = (900000000000 + position)::text::xid8"))
    await seal(database)
    assert (await _counts(database))[2] == 0, "those ids lie ahead of every transaction here"
    async with owner.transaction() as tx:
        await tx.run(text("INSERT INTO log_epochs (epoch) VALUES (2)"))
    await record(database, 2)
    await seal(database)
    assert await _is_whole(database, 4)
    async with database.reading() as tx:
        assert [seal.epoch for seal in await repository.seals_after(tx, 0, 9, 10)] == [1, 1, 2, 2]


async def test_the_program_cannot_rewrite_seals(database: Database) -> None:
    await sealed_log(database, 1)
    for statement in (
        "UPDATE audit_seals SET number = 2",
        "DELETE FROM audit_seals",
        "TRUNCATE audit_seals",
        "DELETE FROM audit_chain_head",
    ):
        with pytest.raises(Exception, match="permission denied"):
            async with database.transaction() as tx:
                await tx.run(text(statement))


@pytest.mark.parametrize("epoch", [0, 1], ids=["from the start", "from where it stood"])
async def test_sealing_costs_no_more_where_much_is_left(database: Database, owner: Database, epoch: int) -> None:
    """It goes along the index and stops, as readers of the event log do."""
    await record(database, 1)
    async with owner.transaction() as tx:
        await tx.run(
            text(
                "INSERT INTO audit_logs (id, actor_id, actor_role, action, entity, entity_id)"
                " SELECT gen_random_uuid(), gen_random_uuid(), 'SYSTEM', 'lantern.lit', 'lantern', gen_random_uuid()"
                " FROM generate_series(1, 2000)"
            )
        )
        await tx.run(text("ANALYZE audit_logs"))
    async with database.transaction() as tx:
        parameters = {"epoch": epoch, "xid": "0", "position": 0, "limit": 10}
        explain: LiteralString = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) "
        found = await (await tx.pg.execute(explain + repository.SQL.to_seal.text, parameters)).fetchall()
    plan = "\n".join(line for (line,) in found)
    scans = re.findall(r"Index Scan using audit_logs_.* rows=(\d+)", plan)
    assert scans, plan
    assert max(int(rows) for rows in scans) <= 10, plan
