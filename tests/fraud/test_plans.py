"""What screening costs: one statement for each attempt, and no table read from one end to the other."""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import md5, sha256
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.clusters import Cluster
from tests.fraud.watch import Watch, paid
from tests.inventory.test_plans import Case, explained, flattened
from tests.payments.till import somebody

from holdfast.database import Query, Tx
from holdfast.fraud import repository
from holdfast.fraud.models import RuleKind
from holdfast.payments.screening import Origin

SQL = repository.SQL
COUNTERS = 100_000
BIG = {"fraud_counters", "fraud_reviews", "users", "payments"}

_FILL = f"""
    INSERT INTO fraud_counters (rule_id, subject, started_at, ends_at, used)
    SELECT md5('rule' || n % 6)::uuid, sha256(('subject' || n)::bytea), business_now(), business_now() + n * interval '1 second', 1
      FROM generate_series(1, {COUNTERS}) n;
    INSERT INTO users (id, role) SELECT md5('person' || n)::uuid, 'PASSENGER' FROM generate_series(1, {COUNTERS}) n;
    INSERT INTO payments (id, payable_kind, payable_id, payer_id, payee_id, fare_amount, service_fee, total_amount, currency, method,
                          gateway, status, ask_after)
    SELECT md5('payment' || n)::uuid, 'booking', md5('booking' || n)::uuid, md5('person' || n)::uuid, gen_random_uuid(), 1, 0, 1, 'EGP',
           'CARD', 'sandbox', 'FAILED', business_now() FROM generate_series(1, {COUNTERS}) n;
    INSERT INTO fraud_reviews (id, user_id, rule_id, rule_kind, payable_kind, payable_id, amount, currency, method, state, note, decided_by,
                               decided_at, stands_until)
    SELECT gen_random_uuid(), md5('person' || n)::uuid, md5('rule' || n % 6)::uuid, 'AMOUNT_ABOVE', 'booking', gen_random_uuid(), 1, 'EGP',
           'CARD', 'ALLOWED', 'fine', gen_random_uuid(), business_now(), business_now() + interval '1 day'
      FROM generate_series(1, {COUNTERS}) n;
"""


def uuids(sort: str, count: int) -> list[UUID]:
    return [UUID(md5(f"{sort}{n}".encode()).hexdigest()) for n in range(1, count + 1)]


def looks(count: int) -> dict[str, object]:
    return {
        "rule_ids": [UUID(md5(f"rule{n % 6}".encode()).hexdigest()) for n in range(1, count + 1)],
        "subjects": [sha256(f"subject{n}".encode()).digest() for n in range(1, count + 1)],
        "withins": [timedelta(hours=1)] * count,
        "adds": [n % 2 for n in range(1, count + 1)],
        "payer_ids": uuids("person", count),
    }


INDEXES = {"fraud_counters_pkey", "users_pkey", "fraud_reviews_decided_idx"}
CASES = [
    Case(SQL.count_attempts, INDEXES, looks(6)),
    Case(SQL.take_back, {"fraud_counters_pkey"}, {"rule_ids": looks(6)["rule_ids"], "subjects": looks(6)["subjects"], "amounts": [1] * 6}),
    Case(SQL.lock_decided, {"payments_pkey", "fraud_counters_pkey"}, {"succeeded": uuids("payment", 20), "failed": uuids("payment", 20)}),
    Case(SQL.delete_old_counters, {"fraud_counters_ends_at_idx"}, {"age": timedelta(days=1)}),
    Case(SQL.list_reviews, {"fraud_reviews_state_idx|fraud_reviews_pkey"}, {"state": "OPEN", "before": None, "limit": 21}),
]


@pytest.fixture(scope="module")
def filled(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """A database with that much of everything, looked at by the program's own role."""
    name = cluster.create_database()
    with psycopg.connect(cluster.postgres.url("holdfast_owner", name), autocommit=True) as owner:
        owner.execute(_FILL.encode())
        owner.execute("ANALYZE")
    connection = psycopg.connect(cluster.postgres.url("holdfast_app", name), autocommit=True)
    yield connection
    connection.close()
    cluster.drop_database(name)


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_statement_takes_its_index(filled: psycopg.Connection[Any], case: Case, mode: str) -> None:
    nodes = list(flattened(explained(filled, case, mode)))
    read_whole = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG]
    taken = {str(node["Index Name"]) for node in nodes if "Index Name" in node}
    assert not read_whole, f"{case} reads all of {read_whole}"
    assert all(taken & set(index.split("|")) for index in case.indexes), f"{case} takes {taken}"


def test_reading_everything_would_be_noticed(filled: psycopg.Connection[Any]) -> None:
    """The control of the test above."""
    filled.execute("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off")
    try:
        for case in CASES:
            nodes = list(flattened(explained(filled, case, "force_generic_plan")))
            assert any(node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG for node in nodes), case
    finally:
        filled.execute("RESET ALL")


async def test_an_attempt_costs_one_statement(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (RuleKind.ATTEMPTS_PER_PERSON, RuleKind.FAILURES_PER_PERSON, RuleKind.ATTEMPTS_PER_CARD, RuleKind.ATTEMPTS_PER_DEVICE):
        await watch.rule(kind, uses=5)
    monkeypatch.setattr("holdfast.fraud.rules.AGE_S_MAX", 60.0)
    await watch.fraud.known.look()
    run: list[str] = []
    rows = Tx.rows

    async def noted(tx: Tx, statement: Any, **parameters: object) -> Any:
        if isinstance(statement, Query) and "fraud_" in statement.text:
            run.append(statement.name)
        return await rows(tx, statement, **parameters)

    monkeypatch.setattr(Tx, "rows", noted)
    assert paid(await watch.try_to_pay(somebody(), origin=Origin("203.0.113.7", "phone")))
    assert run == ["count_attempts"]
