"""What every test can ask for: a database of its own, a Redis, and a clock that moves."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis.asyncio as redis_module
from tests import clusters
from tests.clusters import Cluster

from holdfast.config import Settings
from holdfast.database import Database

# Tests say what they set; what a developer keeps in .env is none of their business.
Settings.model_config["env_file"] = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the proofs that take minutes")
    parser.addoption("--schedule", metavar="FILE", help="an order that tests/interleavings printed, to be run again: -k run_a_script -s")
    asked = os.environ.get("HOLDFAST_SIMULATION_SEED", "")
    parser.addoption("--simulation-seed", default=asked, help="the seeds of the simulation to run, as in 17 or 3,17")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The servers of this process. HOLDFAST_TEST_PG_BIN names the directory of another PostgreSQL's programs."""
    programs = os.environ.get("HOLDFAST_TEST_PG_BIN")
    started = Cluster(Path(programs) if programs else None)
    yield started
    started.stop()


@pytest.fixture
def database_name(cluster: Cluster) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = cluster.create_database()
    yield name
    cluster.drop_database(name)


@pytest.fixture
def empty_database_name(cluster: Cluster) -> Iterator[str]:
    """A database without any table."""
    name = cluster.create_database(empty=True)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database_url(cluster: Cluster, database_name: str) -> str:
    """The libpq URI of this test's database as holdfast_app."""
    return cluster.postgres.url("holdfast_app", database_name)


@pytest.fixture
def owner_url(cluster: Cluster, database_name: str) -> str:
    """The libpq URI of this test's database as holdfast_owner."""
    return cluster.postgres.url("holdfast_owner", database_name)


@pytest.fixture
def superuser_url(cluster: Cluster, database_name: str) -> str:
    """The libpq URI of this test's database as the superuser."""
    return cluster.postgres.url("postgres", database_name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """This test's database as the program sees it: as holdfast_app."""
    opened = Database(database_url, name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[Database]:
    """This test's database as holdfast_owner, to arrange what the program may not."""
    opened = Database(owner_url, name="test owner", connections=2)
    yield opened
    await opened.close()


@pytest.fixture
def move_time(owner_url: str) -> Callable[[timedelta], None]:
    """Moves business time, forwards or backwards: ``move_time(timedelta(minutes=5))``."""
    return lambda by: clusters.move_time(owner_url, by)


@pytest.fixture
def redis_url(cluster: Cluster) -> str:
    """The address of this process's Redis, as redis-py reads it."""
    return cluster.redis_url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[redis_module.Redis]:
    """An empty Redis."""
    client = redis_module.Redis.from_url(redis_url)
    await client.flushall()
    yield client
    await client.aclose()
