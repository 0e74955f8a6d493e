"""How PostgreSQL finds a balance when an account has very many entries."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import ClientCursor
from tests.clusters import Cluster
from tests.ledger.books import now, wrongly_sealed

from holdfast.database import Database, Query
from holdfast.ledger.repository import SQL

ENTRIES, ENTRIES_SLOW = 200_000, 1_000_000
TAIL = 50
HOT = {"kind": "GATEWAY", "owner": "hot"}

# All in one partition, for ids of no month go there. One hot account has half of all entries; 20,000 others have the rest, so that the
# average account is small.
_FILL = """
    INSERT INTO ledger_accounts (id, kind, owner, currency) SELECT md5('hot')::uuid, 'GATEWAY', 'hot', 'EGP'
     UNION ALL SELECT md5('account' || n)::uuid, 'PAYEE', n::text, 'EGP' FROM generate_series(0, 19999) n;
    INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at)
    SELECT overlay(md5(n || ' ' || side.amount) PLACING 'ff' FROM 1)::uuid, md5('transaction' || n)::uuid, 'CAPTURE', side.account,
           side.amount, 'EGP', now() - interval '20 days' + n * interval '19 days' / {transactions}
      FROM generate_series(1, {transactions}) n,
           LATERAL (VALUES (md5('hot')::uuid, -100), (md5('account' || n % 20000)::uuid, 100)) AS side (account, amount);
"""
_TAIL = """
    INSERT INTO ledger_entries (id, transaction_id, purpose, account_id, amount, currency, posted_at)
    SELECT overlay(md5('new' || n) PLACING 'ff' FROM 1)::uuid, md5('new' || n)::uuid, 'CAPTURE', md5('hot')::uuid, -100, 'EGP', now()
      FROM generate_series(1, {tail}) n;
"""


@pytest.fixture(scope="module")
def entries(request: pytest.FixtureRequest) -> int:
    return ENTRIES_SLOW if request.config.getoption("--slow") else ENTRIES


@pytest.fixture(scope="module")
def name(cluster: Cluster, entries: int) -> Iterator[str]:
    """A database with many entries, rolled up but for the last ones."""
    name = cluster.create_database()
    with psycopg.connect(cluster.postgres.url("holdfast_owner", name), autocommit=True) as owner:
        owner.execute(_FILL.format(transactions=entries // 2).encode())
        owner.execute(SQL.roll_up.text, {"epoch": -1, "xid": "0", "limit": 10 * entries})
        owner.execute(_TAIL.format(tail=TAIL).encode())
        owner.execute("VACUUM ANALYZE ledger_entries, ledger_accounts, ledger_balances")
    yield name
    cluster.drop_database(name)


def rows_read(url: str, query: Query, values: Mapping[str, object], *, generic: bool) -> tuple[int, set[str]]:
    """How many rows of the entries were looked at, and how their tables were read; with the generic plan or one for these values."""
    with psycopg.connect(url) as connection, ClientCursor(connection) as cursor:
        cursor.execute(f"SET plan_cache_mode = force_{'generic' if generic else 'custom'}_plan".encode())
        server = psycopg.Cursor(connection)
        statement = ("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + query.text).encode()
        server.execute(statement, values, prepare=True)
        found = server.fetchone()
        assert found is not None
        plan = found[0] if isinstance(found[0], list) else json.loads(found[0])
    reads = [node for node in nodes(plan[0]["Plan"]) if str(node.get("Relation Name", "")).startswith("ledger_entries")]
    # Months without entries are read in whatever way.
    looked_at: Counter[str] = Counter()
    for node in reads:
        looked_at[node["Node Type"]] += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return round(sum(looked_at.values())), {way for way, rows in looked_at.items() if rows}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.parametrize("generic", [True, False])
def test_a_balance_reads_the_tail_alone(cluster: Cluster, name: str, generic: bool) -> None:
    looked_at, ways = rows_read(cluster.postgres.url("holdfast_app", name), SQL.balances, HOT, generic=generic)
    assert looked_at == TAIL
    assert "Seq Scan" not in ways


@pytest.mark.parametrize("generic", [True, False])
def test_without_rolling_up_it_reads_everything(cluster: Cluster, name: str, entries: int, generic: bool) -> None:
    url = cluster.postgres.url("holdfast_owner", name)
    with psycopg.connect(url) as owner:
        (place,) = owner.execute("SELECT (epoch, xid::text) FROM ledger_roll_up").fetchall()
        owner.execute("UPDATE ledger_roll_up SET epoch = -1, xid = '0'")
    try:
        looked_at, _ = rows_read(url, SQL.balances, HOT, generic=generic)
        assert looked_at == entries + TAIL
    finally:
        with psycopg.connect(url) as owner:
            owner.execute("UPDATE ledger_roll_up SET epoch = %s::int, xid = %s::text::xid8", place[0])


async def test_a_balance_of_the_past_reads_the_entries_of_its_day(cluster: Cluster, name: str, entries: int) -> None:
    app, owner_url = cluster.postgres.url("holdfast_app", name), cluster.postgres.url("holdfast_owner", name)
    database = Database(app, name="test")
    try:
        present = await now(database)
        midnight = present.replace(hour=0, minute=0, second=0, microsecond=0)
        with psycopg.connect(owner_url) as owner:
            for ago in range(20, 1, -1):
                starts_at = midnight - timedelta(days=ago)
                values = {"day": starts_at.date(), "zone": "UTC", "starts_at": starts_at, "ends_at": starts_at + timedelta(days=1)}
                owner.execute(SQL.seal_day.text, values)
        asked = {**HOT, "at": midnight - timedelta(days=9, hours=12)}
        looked_at, ways = rows_read(app, SQL.balances_at, asked, generic=True)
        of_half_a_day = entries / 2 / 19 / 2
        assert 0.8 * of_half_a_day < looked_at < 1.2 * of_half_a_day
        assert "Seq Scan" not in ways
        async with database.reading() as tx:
            (told,) = await tx.rows(SQL.balances_at, **asked)
        with psycopg.connect(owner_url) as owner:
            summed = owner.execute(
                "SELECT sum(amount) FROM ledger_entries WHERE account_id = md5('hot')::uuid AND posted_at < %s", (asked["at"],)
            ).fetchone()
        assert (told["balance"],) == summed
        assert entries > ENTRIES or await wrongly_sealed(database) == []
    finally:
        await database.close()
