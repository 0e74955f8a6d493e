"""How PostgreSQL goes about the hot statements when there is much of everything, and what their writes leave behind.

Each statement is explained as it is prepared, for any values (what a server does after it has seen it five times), and for these
values. Neither may read a large table from one end to the other, nor sort it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import ClientCursor
from sqlalchemy import text
from tests.clusters import Cluster
from tests.inventory.core import FIVE_MINUTES, Core

from holdfast.bookings import repository as bookings
from holdfast.common.ids import first_id_of
from holdfast.database import Database, Query
from holdfast.events import repository as events
from holdfast.idempotency import repository as idempotency
from holdfast.inventory import ClaimRequest, HoldId, Line, PoolId
from holdfast.inventory import repository as inventory

POOLS, POOLS_SLOW = 100_000, 1_000_000
IDS = 200
BIG = {"pools", "holds", "hold_lines", "sold_lines", "bookings", "booking_items", "idempotency_keys", "events"}

# A tenth of the pools is held, half of that has lapsed, another tenth is sold; two thirds of the bookings are over.
_FILL = """
    INSERT INTO pools (id, owner_kind, owner_id, starts_at, capacity, held, sold)
    SELECT md5('pool' || n)::uuid, 'session', md5('owner' || n)::uuid, business_now(), 14, (n % 10 = 0)::int, (n % 10 = 1)::int
      FROM generate_series(1, {pools}) n;
    INSERT INTO holds (id, expires_at, created_at)
    SELECT md5('hold' || n)::uuid, business_now() + (n % 20 - 5) * interval '10 minutes' + n * interval '1 microsecond',
           business_now() - interval '2 hours'
      FROM generate_series(10, {pools}, 10) n;
    INSERT INTO hold_lines SELECT id, md5('pool' || n)::uuid, 1, expires_at
      FROM generate_series(10, {pools}, 10) n JOIN holds ON id = md5('hold' || n)::uuid;
    INSERT INTO sold_lines SELECT md5('hold' || n)::uuid, md5('pool' || n)::uuid, 1 FROM generate_series(1, {pools}, 10) n;
    INSERT INTO bookings (id, customer_id, kind, owner_id, quantity, status, fare, service_fee, currency, payee_id, held_until,
                          available_after, confirmed_at, ended_at, end_reason)
    SELECT md5('hold' || n)::uuid, md5('person' || n / 50)::uuid, 'session', md5('owner' || n)::uuid, 1,
           CASE n % 10 WHEN 0 THEN 'PENDING' WHEN 1 THEN 'CONFIRMED' ELSE 'EXPIRED' END,
           1000, 100, 'EGP', gen_random_uuid(), business_now(), 1, CASE WHEN n % 10 = 1 THEN business_now() END,
           CASE WHEN n % 10 > 1 THEN business_now() END, CASE WHEN n % 10 > 1 THEN 'LAPSED' END
      FROM generate_series(1, {pools}) n WHERE n % 10 < 6;
    INSERT INTO booking_items SELECT id, md5('pool' || 1)::uuid, 1, 1000, 'EGP' FROM bookings;
    INSERT INTO idempotency_keys (actor_id, key, fingerprint, result_id)
    SELECT md5('person' || n / 50)::uuid, 'key ' || n, '', md5('hold' || n)::uuid FROM generate_series(1, {pools}) n;
    INSERT INTO events (id, name, subject_kind, subject_id, version, body)
    SELECT gen_random_uuid(), 'booking.held', 'booking', md5('hold' || n)::uuid, 1, '{{}}' FROM generate_series(1, {pools}) n;
"""


@dataclass(frozen=True)
class Case:
    """A statement, values for it, and the indexes without which it would be slow; of two with a bar between them one will do."""

    query: Query
    indexes: set[str]
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.query.name


def ids(sort: str, step: int = 10, count: int = IDS) -> list[UUID]:
    return [UUID(md5(f"{sort}{n}".encode()).hexdigest()) for n in range(step, step * count + 1, step)]


HELD, OF_PERSONS = ids("hold"), ids("person", 1)
ON_POOLS = ids("pool")
KEYS = {"actor_ids": ids("person", 1), "keys": [f"key {n * 50}" for n in range(1, IDS + 1)]}
INVENTORY, BOOKINGS, IDEMPOTENCY, EVENTS = inventory.SQL, bookings.SQL, idempotency.SQL, events.SQL
EARLY = first_id_of(0)
LINES_OF_POOL = "hold_lines_pool_id_expires_at_idx"
# For many ids at once it is as good to go through those that live, or have lapsed.
EITHER = "holds_pkey|holds_expires_at_idx"

CASES = [
    Case(INVENTORY.lock_lapsed, {LINES_OF_POOL, "holds_pkey"}, {"pool_ids": ON_POOLS, "quantities": [1] * IDS, "spare": 20}),
    Case(INVENTORY.pools_of_holds, {"hold_lines_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.lines_of_holds, {"hold_lines_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.closed_pools_of_holds, {"hold_lines_pkey", "pools_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.pools_of_sales, {"sold_lines_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.lock_pools, {"pools_pkey"}, {"ids": ON_POOLS}),
    Case(INVENTORY.lock_pools_nobody_has, {"pools_pkey"}, {"ids": ON_POOLS}),
    Case(INVENTORY.lock_holds, {"holds_pkey"}, {"ids": HELD}),
    Case(INVENTORY.lock_some_lapsed, {"holds_expires_at_idx", "holds_pkey", LINES_OF_POOL}, {"limit": 200, "oldest": 50}),
    Case(
        INVENTORY.grant,
        {"pools_pkey"},
        {
            "pool_ids": ON_POOLS,
            "pool_quantities": [1] * IDS,
            "line_holds": HELD,
            "line_pools": ON_POOLS,
            "line_quantities": [1] * IDS,
            "line_lifetimes": [FIVE_MINUTES] * IDS,
            "hold_ids": HELD,
            "lifetimes": [FIVE_MINUTES] * IDS,
        },
    ),
    Case(INVENTORY.give_back_held, {"holds_pkey", "hold_lines_pkey", "pools_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.confirm, {"holds_pkey", "hold_lines_pkey", "pools_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.give_back_sold, {"sold_lines_pkey", "pools_pkey"}, {"hold_ids": HELD}),
    Case(INVENTORY.extend, {"holds_pkey"}, {"id": HELD[0], "until": datetime(2026, 11, 21, tzinfo=UTC)}),
    Case(INVENTORY.close, {"pools_pkey"}, {"ids": ON_POOLS[:1]}),
    Case(INVENTORY.free, {"pools_pkey", LINES_OF_POOL}, {"ids": ON_POOLS}),
    Case(INVENTORY.next_deadlines, {LINES_OF_POOL}, {"pool_ids": ON_POOLS}),
    Case(INVENTORY.next_deadline, {"holds_expires_at_idx"}),
    Case(INVENTORY.holds_on_pools, {LINES_OF_POOL}, {"pool_ids": ON_POOLS[:1], "limit": 50}),
    Case(
        BOOKINGS.count_holds,
        {"bookings_pending_idx", EITHER},
        {
            "customer_ids": OF_PERSONS,
            "owner_ids": ids("owner"),
            "since_id": EARLY,
            "within": timedelta(hours=1),
            "live_from": 3,
            "unpaid_from": 5,
        },
    ),
    Case(BOOKINGS.get, {"bookings_pkey", "holds_pkey"}, {"ids": HELD}),
    Case(BOOKINGS.lock, {"bookings_pkey"}, {"ids": HELD}),
    Case(BOOKINGS.history, {"bookings_customer_id_idx"}, {"customer_id": OF_PERSONS[0], "before": None, "status": None, "limit": 21}),
    Case(BOOKINGS.items, {"booking_items_pkey"}, {"ids": HELD}),
    Case(BOOKINGS.end, {"bookings_pkey"}, {"ids": HELD, "status": "EXPIRED", "reason": "LAPSED", "sources": ["PENDING"]}),
    Case(BOOKINGS.confirm, {"bookings_pkey"}, {"ids": HELD, "sources": ["PENDING", "EXPIRED"]}),
    Case(
        BOOKINGS.some_open_of,
        {"bookings_pkey", LINES_OF_POOL, "sold_lines_pool_id_idx"},
        {"pool_ids": ON_POOLS[:1], "limit": 50},
    ),
    Case(BOOKINGS.ids_of_owner, {"bookings_owner_idx"}, {"owner_id": ids("owner")[0]}),
    Case(IDEMPOTENCY.read_keys, {"idempotency_keys_pkey"}, KEYS),
    Case(IDEMPOTENCY.keep_answers, {"idempotency_keys_pkey"}, KEYS | {"answers": ["{}"] * IDS}),
    Case(IDEMPOTENCY.delete_keys, {"idempotency_keys_pkey"}, KEYS),
    Case(EVENTS.read_after, {"events_order_idx"}, {"epoch": 0, "xid": 0, "position": 0, "limit": 500, "names": ["BookingHeld"]}),
]


@pytest.fixture(scope="module", params=[POOLS, pytest.param(POOLS_SLOW, marks=pytest.mark.slow)], ids=["100k", "1m"])
def filled(request: pytest.FixtureRequest, cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A database with that many pools, looked at by the program's own role."""
    name = cluster.create_database()
    with psycopg.connect(cluster.postgres.url("holdfast_owner", name), autocommit=True) as owner:
        owner.execute(_FILL.format(pools=request.param).encode())
        owner.execute("ANALYZE")
    connection = psycopg.connect(cluster.postgres.url("holdfast_app", name), autocommit=True)
    yield connection
    connection.close()
    cluster.drop_database(name)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hot_statement_takes_its_index(filled: psycopg.Connection[Any], case: Case, mode: str) -> None:
    nodes = list(flattened(explained(filled, case, mode)))
    read_whole = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and is_big(node["Relation Name"])]
    taken = {str(node["Index Name"]) for node in nodes if "Index Name" in node}
    assert not read_whole, f"{case} reads all of {read_whole}"
    missing = {index for index in case.indexes if not any(name in index.split("|") or _is_partition_of(index, name) for name in taken)}
    assert not missing, f"{case} goes without {missing}: {taken}"


def test_reading_everything_would_be_noticed(filled: psycopg.Connection[Any]) -> None:
    """The control of the test above: with the indexes forbidden, every plan reads some table whole."""
    filled.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
    try:
        for case in CASES:
            nodes = list(flattened(explained(filled, case, "force_generic_plan")))
            assert any(node["Node Type"] == "Seq Scan" and is_big(node["Relation Name"]) for node in nodes), case
    finally:
        filled.execute("RESET ALL")


def explained(connection: psycopg.Connection[Any], case: Case, mode: str) -> dict[str, Any]:
    """The plan of a statement, prepared as psycopg prepares it, for these values."""
    numbers: dict[str, int] = {}
    for name in case.values:
        numbers[name] = len(numbers) + 1
    prepared = case.query.text
    for name, number in numbers.items():
        prepared = prepared.replace(f"%({name})s", f"${number}")
    with connection.transaction(), ClientCursor(connection) as cursor:
        cursor.execute(f"SET LOCAL plan_cache_mode = {mode}".encode())
        cursor.execute(f"PREPARE explained AS {prepared.replace('%%', '%')}".encode())
        try:
            values = f"({', '.join(['%s'] * len(numbers))})" if numbers else ""
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE explained{values}".encode(), list(case.values.values()) or None)
            row = cursor.fetchone()
        finally:
            cursor.execute("DEALLOCATE explained")
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    plan: dict[str, Any] = found[0]["Plan"]
    return plan


def flattened(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from flattened(each)


def is_big(relation: str) -> bool:
    return relation in BIG or (relation.startswith("events_") and relation != "event_cursors")


def _is_partition_of(index: str, name: str) -> bool:
    """PostgreSQL names the index of a partition after its columns."""
    return index == "events_order_idx" and name.startswith("events_") and name.endswith("epoch_xid_position_idx")


@pytest.mark.timeout(600)
def test_a_plan_of_quiet_times_serves_in_a_storm(filled: psycopg.Connection[Any]) -> None:
    """A claim looks for what lapsed on its own pools. Planned while little had lapsed, it still reads no more when everything has.

    All is rolled back. A plan that went by the deadline first would read each of the holds that lapsed here.
    """
    prepared = INVENTORY.lock_lapsed.text.replace("%(pool_ids)s", "$1").replace("%(quantities)s", "$2").replace("%(spare)s", "$3")
    with filled.transaction(force_rollback=True), ClientCursor(filled) as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE quiet AS {prepared}".encode())
        values: list[object] = [ON_POOLS[:1], [9], 20]
        cursor.execute("EXECUTE quiet(%s, %s, %s)", values)
        cursor.execute(
            "UPDATE holds SET created_at = business_now() - interval '2 hours', expires_at = business_now() - interval '1 second'"
        )
        cursor.execute("UPDATE hold_lines SET expires_at = business_now() - interval '1 second'")
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE quiet(%s, %s, %s)", values)
        row = cursor.fetchone()
        cursor.execute("DEALLOCATE quiet")
    assert row is not None
    plan = row[0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100, plan


# What is written --------------------------------------------------------------------------------------------------------------------

HOT_MIN = 0.95
BATCH = 50
ROUNDS = 10
HELD_AND_LET_GO = 10_000
GROWTH_MAX = 1.1


async def hold_and_let_go(core: Core, pools: Sequence[PoolId], holds: int) -> None:
    """So many holds, in batches, each let go in the next transaction."""
    for start in range(0, holds, BATCH):
        requests = [
            ClaimRequest(HoldId.new(), (Line(pools[(start + n) % len(pools)], 1),), FIVE_MINUTES) for n in range(min(BATCH, holds - start))
        ]
        async with core.database.transaction() as tx:
            granted = list((await core.inventory.claim(tx, requests)).granted)
        assert len(granted) == len(requests)
        async with core.database.transaction() as tx:
            await core.lock(tx, *granted)
            await core.inventory.release(tx, granted)


async def sizes(database: Database) -> dict[str, int]:
    """Pages of the core's tables and of their indexes, together."""
    async with database.reading() as tx:
        tables = ("pools", "holds", "hold_lines")
        return {table: int(await tx.value(text(f"SELECT pg_total_relation_size('{table}') / 8192"))) for table in tables}


async def test_counting_is_a_hot_update(database_url: str, database: Database) -> None:
    counting = Database(database_url, name="counting")
    core = Core(counting)
    pools = await core.open(*([BATCH] * BATCH))
    await hold_and_let_go(core, pools, 3000)
    # Whoever leaves tells what he has written.
    await counting.close()
    asked = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'pools'")
    while True:
        async with database.reading() as tx:
            (row,) = await tx.rows(asked)
        if row["n_tup_upd"] >= 2 * 3000:
            break
    assert row["n_tup_hot_upd"] / row["n_tup_upd"] > HOT_MIN, row


@pytest.mark.parametrize("holds", [HELD_AND_LET_GO, pytest.param(POOLS_SLOW, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
async def test_holding_and_letting_go_leaves_no_room_unused(database: Database, owner_url: str, holds: int) -> None:
    """Tables and indexes take as much room after many rounds as after the second: what is let go is used again.

    The pools need no VACUUM for that, because what a HOT update leaves is tidied up by whoever comes next. Holds are inserted and
    deleted, so they do: here once in each round, where autovacuum would come after a fifth of the rows has changed.
    """
    core = Core(database)
    pools = await core.open(*([BATCH] * BATCH))
    seen: list[dict[str, int]] = []
    before_vacuum: list[int] = []
    async with await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner:
        for _ in range(ROUNDS):
            await hold_and_let_go(core, pools, holds // ROUNDS)
            before_vacuum.append((await sizes(database))["pools"])
            await owner.execute("VACUUM holds, hold_lines")
            seen.append(await sizes(database))
    for table, pages in seen[1].items():
        assert seen[-1][table] <= pages * GROWTH_MAX, f"{table} grew: {[each[table] for each in seen]} pages"
    assert before_vacuum[-1] <= before_vacuum[1] * GROWTH_MAX, f"pools grew: {before_vacuum} pages"
