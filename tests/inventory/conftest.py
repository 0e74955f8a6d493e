"""The core on a database of its own."""

from collections.abc import Callable
from datetime import datetime

import psycopg
import pytest
from tests.inventory.core import Core

from holdfast.database import Database

Freeze = Callable[[datetime], None]


@pytest.fixture
def core(database: Database) -> Core:
    return Core(database)


@pytest.fixture
def freeze(owner_url: str) -> Freeze:
    """Stops business time at an instant: what happens exactly at a deadline can be seen only so."""

    def stop(at: datetime) -> None:
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute(
                "CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE"
                f" AS $$SELECT '{at.isoformat()}'::timestamptz$$".encode()
            )

    return stop
