"""A short real run: servers, load generator, pgbench, the invariants."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from rich.console import Console

from holdfast.app.bench import pgbench
from holdfast.app.bench.core import NIGHTS, CoreJob, HoldNights
from holdfast.app.bench.endpoint import PATH
from holdfast.app.bench.figures import Baseline
from holdfast.app.bench.plan import Plan
from holdfast.app.bench.run import bench, choose
from holdfast.app.bench.scenarios import CREATED, SCENARIOS, hold_targets, holds, idle, job
from holdfast.app.bench.site import Site, open_site
from holdfast.app.bench.world import World
from holdfast.app.faults import Fault
from holdfast.config import Environment, Settings, UnsafeSettings

pytestmark = pytest.mark.xdist_group("bench")

BRIEF = Plan(rounds=1, seconds=1.0, connections=16, scale=0.02)
WHOLE = ("hold-hot", "refuse", "confirm", "book-wallet")
# What is a value of one hold alone, or says which of the two wrote it.
DIFFERENT = {
    "id", "key", "result_id", "fingerprint", "actor_id", "customer_id", "subject_id", "booking_id", "hold_id", "pool_id", "owner_id",
    "payee_id", "created_at", "expires_at", "held_until", "occurred_at", "xid", "position", "starts_at", "ends_at",
}  # fmt: skip


def rows(site: Site) -> dict[str, list[dict[str, Any]]]:
    """Everything in the database, partitions with their tables."""
    found = {}
    with psycopg.connect(site.world.postgres.url("postgres", site.database)) as connection:
        named = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace"
        for (table,) in connection.execute(named).fetchall():
            statement = sql.SQL("SELECT to_jsonb(t) FROM {} t").format(sql.Identifier(table))
            found[table] = [row for (row,) in connection.execute(statement).fetchall()]
    return found


def new_rows(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What was inserted or changed."""
    return {table: added for table in after if (added := [row for row in after[table] if row not in before[table]])}


def shape(row: dict[str, Any]) -> dict[str, Any]:
    """What two holds have in common: which columns have a value, and that value unless it must differ."""
    return {
        name: (value is not None if name in DIFFERENT else shape(value) if isinstance(value, dict) else value)
        for name, value in row.items()
    }


def test_the_baseline_writes_what_a_hold_writes(site: Site) -> None:
    """The same number of rows in the same tables, and the same values in them: else the comparison would be worth nothing."""
    ours, theirs = site.open_sessions(1), site.open_sessions(1)
    crowd = site.invite(1)
    start = rows(site)
    loaded = site.load(job(site, BRIEF, crowd, hold_targets(ours), CREATED, requests_max=1))
    middle = rows(site)
    written = pgbench.run(site, "hold", 1, clients=1, first=theirs[0], last=theirs[-1], transactions=1)
    end = rows(site)
    assert loaded.result.unexpected == 0, loaded.result.first_unexpected
    assert written.errors == 0
    by_us, by_them = new_rows(start, middle), new_rows(middle, end)
    tables_written = {"bookings", "booking_items", "holds", "hold_lines", "idempotency_keys", "pools"}
    assert tables_written <= by_us.keys()
    assert {table: len(found) for table, found in by_us.items()} == {table: len(found) for table, found in by_them.items()}
    for table, found in by_us.items():
        assert [shape(row) for row in found] == [shape(row) for row in by_them[table]], table
    assert site.violations() == []


def test_the_baseline_of_nights_writes_what_a_hold_of_nights_writes(world: World) -> None:
    with open_site(world) as site:
        sessions, rooms = site.open_sessions(20), site.open_rooms(2)
        assert sessions[-1] < NIGHTS * rooms[0]
        assert site.open_sessions(1)[0] == NIGHTS * rooms[-1] + NIGHTS
        site.invite(1)
        start = rows(site)
        done = site.core(CoreJob(HoldNights(rooms[0], rooms[0], 1, 1, 1), seconds=0.001))
        middle = rows(site)
        assert (done.result.errors, done.result.done) == (0, 1), done.result.first_error
        assert pgbench.run(site, "nights", 1, clients=1, first=rooms[1], last=rooms[1], transactions=1).errors == 0
        by_us, by_them = new_rows(start, middle), new_rows(middle, rows(site))
        counts = Counter({table: len(found) for table, found in by_us.items()})
        assert (counts["pools"], counts["hold_lines"], counts["booking_items"], counts["holds"]) == (NIGHTS, NIGHTS, NIGHTS, 1)
        for table, found in by_us.items():
            assert sorted(map(str, map(shape, found))) == sorted(map(str, map(shape, by_them[table]))), table
        assert site.violations() == []


def test_holds_are_counted_in_the_database(site: Site) -> None:
    crowd = site.invite(20)
    before = site.count_holds()
    sample = holds(site, BRIEF, crowd, hold_targets(site.open_sessions(1)))
    assert sample.errors == 0, sample.note
    assert sample.rate > 0
    assert site.count_holds() > before
    assert sample.cpu is not None
    assert sample.cpu.server > 0
    assert sample.cpu.load > 0


def test_an_answer_that_was_not_expected_is_an_error(site: Site) -> None:
    loaded = site.load(job(site, BRIEF, site.invite(1), hold_targets(site.open_sessions(1)), 200, requests_max=3))
    assert loaded.result.unexpected == 3
    assert loaded.result.first_unexpected.startswith("201: HTTP/1.1 201")
    assert loaded.sample(3, 201).errors == 3


def test_an_answer_that_is_not_in_the_database_is_an_error(site: Site) -> None:
    loaded = site.load(job(site, BRIEF, site.invite(1), hold_targets(site.open_sessions(1)), 201, requests_max=3))
    assert loaded.sample(3, 201).errors == 0
    assert loaded.sample(2, 201).errors == 1


def test_the_baseline_endpoint_writes_nothing(site: Site) -> None:
    crowd = site.invite(20)
    before = rows(site)
    sample = idle(site, BRIEF, crowd)
    assert sample.errors == 0, sample.note
    assert new_rows(before, rows(site)) == {}


def test_the_baseline_endpoint_is_there_only_for_the_benchmark(world: World) -> None:
    with open_site(world, HOLDFAST_BENCH_ENDPOINT="false") as site:
        loaded = site.load(job(site, BRIEF, site.invite(1), hold_targets(site.open_sessions(1)), CREATED, requests_max=1))
        assert loaded.result.unexpected == 0
        missing = idle(site, msgspec.structs.replace(BRIEF, connections=1), site.invite(1))
        assert missing.errors > 0
        assert PATH in missing.note or "404" in missing.note or "405" in missing.note
    with pytest.raises(UnsafeSettings, match="HOLDFAST_BENCH_ENDPOINT"):
        Settings(env=Environment.PRODUCTION, bench_endpoint=True)  # type: ignore[call-arg]


@pytest.mark.timeout(300)
def test_a_whole_run(tmp_path: Path) -> None:
    """hold-hot, refuse, confirm and book-wallet: exit code 0, and the figures in the file."""
    file = tmp_path / "figures.json"
    plan = msgspec.structs.replace(BRIEF, only=WHOLE, json=file)
    console = Console(record=True, width=140)
    assert bench(plan, console) == 0, console.export_text()
    scenarios = {each["name"]: each for each in msgspec.json.decode(file.read_bytes())["scenarios"]}
    assert list(scenarios) == list(WHOLE)
    for each in scenarios.values():
        assert each["errors"] == 0
        assert each["violations"] == []
        assert each["ratio"] == pytest.approx(each["rate"] / each["baseline"], rel=0.01)
        assert 0 < each["p50_ms"] <= each["p95_ms"] <= each["p99_ms"]
    assert scenarios["hold-hot"]["baselines"].keys() == {Baseline.PGBENCH.value, Baseline.SIGN_IN.value}
    assert [bar["what"] for bar in scenarios["hold-hot"]["bars"]] == ["rate / best pgbench", "p99 / p50"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS if scenario.name not in WHOLE])
def test_the_other_scenarios(name: str, world: World) -> None:
    (scenario,) = choose([name])
    found = scenario.measure(scenario, world, BRIEF, print)
    assert not found.has_failed, (found.violations, [each.ours.note for each in found.rounds])
    assert found.rate > 0
    assert found.baseline > 0


def test_only_known_scenarios_can_be_asked_for() -> None:
    assert [scenario.name for scenario in choose(["refuse", "hold-hot"])] == ["refuse", "hold-hot"]
    assert choose([]) == list(SCENARIOS)
    with pytest.raises(Fault, match="no scenario hold-cold"):
        choose(["hold-cold"])
