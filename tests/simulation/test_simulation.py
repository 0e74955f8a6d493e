"""Many days with many mishaps. A seed that fails is repeated by its number:

``HOLDFAST_SIMULATION_SEED=17 ./holdfast test tests/simulation``.
"""

import os

import psycopg
import pytest
from tests.simulation.town import Course, Town

FAULTS_PER_1000 = 8


def seeds(count: int) -> list[int]:
    """Those that are asked for, or the first ``count``."""
    asked = os.environ.get("HOLDFAST_SIMULATION_SEED")
    return [int(seed) for seed in asked.split(",")] if asked else list(range(1, count + 1))


async def simulate(seed: int, database_url: str, superuser_url: str, redis_url: str = "", *, operations: int) -> Course:
    async with await psycopg.AsyncConnection.connect(superuser_url, autocommit=True) as superuser:
        return await Town(seed, database_url, superuser, redis_url, faults_per_1000=FAULTS_PER_1000).run(operations)


@pytest.mark.parametrize("seed", seeds(3))
async def test_nothing_acknowledged_is_lost(seed: int, database_url: str, superuser_url: str) -> None:
    course = await simulate(seed, database_url, superuser_url, operations=250)
    print(course)
    assert not course.wrong, course
