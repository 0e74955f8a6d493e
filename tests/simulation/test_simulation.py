"""Many days with many mishaps. A seed that fails is repeated by its number:

``./holdfast test tests/simulation --simulation-seed 17``, or with HOLDFAST_SIMULATION_SEED in the environment.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.clusters import Cluster
from tests.controls import without
from tests.simulation.faults import Fault
from tests.simulation.pools import Pools
from tests.simulation.simulation import Course, Simulation
from tests.simulation.town import Town

FAULTS_PER_1000 = 8
QUICK, LONG = 120, 3000
SEEDS_QUICK, SEEDS_LONG = 2, 25
CONTROL_SEEDS_MAX = 20

KINDS: Sequence[type[Simulation[object]]] = (Town, Pools)  # type: ignore[assignment, type-var]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__.lower())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Those seeds that are asked for, or the first ones."""
    if "seed" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--simulation-seed")
        count = SEEDS_LONG if metafunc.function is test_nothing_acknowledged_is_lost_in_thousands_of_operations else SEEDS_QUICK
        metafunc.parametrize("seed", [int(seed) for seed in asked.split(",")] if asked else range(1, count + 1))


@asynccontextmanager
async def fresh_database(cluster: Cluster) -> AsyncIterator[str]:
    name = cluster.create_database()
    try:
        yield name
    finally:
        cluster.drop_database(name)


async def simulate(
    kind: "type[Simulation[object]]",  # type: ignore[type-var]
    seed: int,
    cluster: Cluster,
    *,
    operations: int,
    redis_url: str = "",
    guard: str | None = None,
    faults_per_1000: int = FAULTS_PER_1000,
) -> Course:
    """One seed on a database of its own."""
    async with fresh_database(cluster) as name, without(guard, cluster.postgres.url("holdfast_owner", name)):
        url = cluster.postgres.url("holdfast_app", name)
        async with await psycopg.AsyncConnection.connect(cluster.postgres.url("postgres", name), autocommit=True) as superuser:
            course = await kind(seed, url, superuser, redis_url, faults_per_1000=faults_per_1000).run(operations)
    print(course)
    return course


@kinds
async def test_nothing_acknowledged_is_lost(cluster: Cluster, kind: "type[Simulation[object]]", seed: int) -> None:  # type: ignore[type-var]
    course = await simulate(kind, seed, cluster, operations=QUICK)
    assert not course.wrong, course


@kinds
async def test_a_seed_takes_the_same_course_every_time(cluster: Cluster, kind: "type[Simulation[object]]") -> None:  # type: ignore[type-var]
    one, two = [await simulate(kind, 7, cluster, operations=40, faults_per_1000=30) for _ in range(2)]
    assert (one.trace, one.turns, one.told, one.struck) == (two.trace, two.turns, two.told, two.struck)
    assert one.struck


async def test_redis_comes_and_goes(cluster: Cluster, redis_url: str) -> None:
    """What others remember as sold out lasts as long as Redis says: this one is judged like any, and not repeated to the letter."""
    course = await simulate(Town, 3, cluster, operations=QUICK, redis_url=redis_url, faults_per_1000=20)  # type: ignore[arg-type]
    assert not course.wrong, course


# Each with the simulation whose guard it is.
CONTROLS = [
    (Town, "idempotency.without_keys"),
    (Pools, "inventory.without_pool_lock"),
    (Town, "inventory.without_hold_lock"),
    (Town, "inventory.without_closed_check"),
    (Pools, "inventory.without_hold_lock"),
    (Town, "inventory.without_lines_on_confirm"),
    (Town, "inventory.without_returning"),
]
IN_A_HURRY = 2


@pytest.mark.parametrize(
    ("kind", "guard"),
    [pytest.param(*control, marks=[] if number < IN_A_HURRY else [pytest.mark.slow]) for number, control in enumerate(CONTROLS)],
    ids=lambda value: value if isinstance(value, str) else value.__name__.lower(),
)
@pytest.mark.timeout(600)
async def test_some_seed_finds_what_is_missing(cluster: Cluster, kind: "type[Simulation[object]]", guard: str) -> None:  # type: ignore[type-var]
    for seed in range(1, CONTROL_SEEDS_MAX + 1):
        if (await simulate(kind, seed, cluster, operations=QUICK, guard=guard)).wrong:
            return
    raise AssertionError(f"without {guard} nothing went wrong in {CONTROL_SEEDS_MAX} seeds")


@pytest.mark.slow
@pytest.mark.timeout(3600)
@kinds
async def test_nothing_acknowledged_is_lost_in_thousands_of_operations(
    cluster: Cluster,
    kind: "type[Simulation[object]]",  # type: ignore[type-var]
    seed: int,
) -> None:
    course = await simulate(kind, seed, cluster, operations=LONG)
    assert not course.wrong, course
    assert len(course.struck) >= len(Fault) - 1, "so many operations have met almost every fault"
