"""What operators see of a process."""

import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from holdfast.app.faults import Fault
from holdfast.app.internal import InternalApp, internal_server, new_registry
from holdfast.database import Database


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        internal_server(InternalApp(database_url, new_registry()), 0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as opened,
    ):
        yield opened


async def test_a_process_that_is_well(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).status_code == 200
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "faults": []})
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "process_resident_memory_bytes" in metrics.text
    assert (await client.get("/elsewhere")).status_code == 404


async def test_alive_without_a_database_but_not_ready() -> None:
    app = InternalApp("postgresql://holdfast_app@127.0.0.1:1/none", new_registry())
    async with internal_server(app, 0) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["faults"] == ["database: it does not answer"]


async def test_not_ready_before_the_migration(owner: Database, database_url: str) -> None:
    app = InternalApp(database_url, new_registry())
    async with owner.transaction() as tx:
        await tx.pg.execute("UPDATE alembic_version SET version_num = '0001'")
    assert await app.faults() == ["migrations: the database is older than this program"]
    async with owner.transaction() as tx:
        await tx.pg.execute("UPDATE alembic_version SET version_num = '9999'")
    assert await app.faults() == []
    await app.close()


async def test_not_ready_while_draining(database_url: str) -> None:
    assert await InternalApp(database_url, new_registry(), is_draining=lambda: True).faults() == ["draining: this process is about to end"]


async def test_a_port_that_is_taken_is_said_plainly(database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Fault, match="HOLDFAST_INTERNAL_PORT"):
        async with internal_server(InternalApp(database_url, new_registry()), taken.getsockname()[1]):
            pass
