"""`migrate`, `serve` and `worker` as a deployment runs them, and what they refuse to start on."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from tests.clusters import Cluster

from holdfast.app.faults import Fault
from holdfast.app.preflight import check_database
from holdfast.app.running import CHECKOUT

PATIENCE_S = 90.0

pytestmark = pytest.mark.timeout(300)
PRODUCTION = {
    "HOLDFAST_ENV": "production",
    "HOLDFAST_TOKEN_KEY": "t" * 40,
    "HOLDFAST_VAULT_KEY": "v" * 40,
    "HOLDFAST_CODE_CHANNEL": "json://127.0.0.1:9/{phone}",
}


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "DATABASE_", "REDIS_"))}
    return {**kept, "PYTHONPATH": str(CHECKOUT / "src"), **settings}


def run(tmp_path: Path, command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "holdfast", command], env=environment(**settings), cwd=tmp_path, capture_output=True, text=True, check=False
    )


@contextmanager
def running(tmp_path: Path, command: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "holdfast", command], env=environment(**settings), cwd=tmp_path)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_ports() -> tuple[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return str(one.getsockname()[1]), str(other.getsockname()[1])


def test_migrate_then_serve_then_work(cluster: Cluster, empty_database_name: str, tmp_path: Path) -> None:
    app_url = cluster.postgres.url("holdfast_app", empty_database_name)
    migrated = run(tmp_path, "migrate", DATABASE_OWNER_URL=cluster.postgres.url("holdfast_owner", empty_database_name))
    assert migrated.returncode == 0, migrated.stderr
    assert "migrated from an empty database to" in migrated.stdout

    port, internal_port = free_ports()
    settings = PRODUCTION | {"DATABASE_URL": app_url, "HOLDFAST_PORT": port, "HOLDFAST_INTERNAL_PORT": internal_port}
    with running(tmp_path, "serve", **settings) as web, running(tmp_path, "worker", **settings) as worker:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{internal_port}/readyz").status_code == 200
                break
            except httpx.TransportError:
                assert web.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        # In production nobody signs in with a number of the test range and its known code.
        challenge = httpx.post(f"http://127.0.0.1:{port}/api/v1/auth/request-otp", json={"phone": "+201000012345"})
        assert challenge.status_code == 503, challenge.text
        assert worker.poll() is None
        for process in (web, worker):
            process.send_signal(signal.SIGTERM)
        # Finished with what it did, uvicorn lets the signal end it after all.
        assert web.wait(PATIENCE_S) == -signal.SIGTERM
        assert worker.wait(PATIENCE_S) == 0


def test_production_is_refused_with_the_secrets_of_development(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", HOLDFAST_ENV="production", HOLDFAST_SANDBOX_GATEWAY_URL="http://127.0.0.1:1")
    assert refused.returncode == 1
    for name in ("HOLDFAST_TOKEN_KEY", "HOLDFAST_VAULT_KEY", "HOLDFAST_CODE_CHANNEL", "DATABASE_URL", "HOLDFAST_SANDBOX_GATEWAY_URL"):
        assert f"{name}: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_channel_that_cannot_work_is_said(database_url: str, tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", **PRODUCTION | {"DATABASE_URL": database_url, "HOLDFAST_CODE_CHANNEL": "nonsense"})
    assert refused.returncode == 1
    assert refused.stderr.startswith("holdfast: HOLDFAST_CODE_CHANNEL: ")
    assert "Traceback" not in refused.stderr


def test_a_database_that_is_not_there_is_said() -> None:
    with pytest.raises(Fault, match="cannot be opened"):
        check_database("postgresql://holdfast_app@127.0.0.1:1/holdfast", wait_s=0)


def test_a_database_that_is_not_migrated_is_said(cluster: Cluster, empty_database_name: str) -> None:
    with pytest.raises(Fault, match="has not been migrated"):
        check_database(cluster.postgres.url("holdfast_app", empty_database_name), wait_s=0)


@pytest.mark.parametrize("weakness", ["off", "local"])
def test_a_database_that_may_lose_sales_is_refused(owner_url: str, database_url: str, database_name: str, weakness: str) -> None:
    check_database(database_url, wait_s=0)
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(sql.Identifier(database_name), sql.Literal(weakness)))
    with pytest.raises(Fault, match=f"may lose sales that it has confirmed \\(synchronous_commit = {weakness}\\)"):
        check_database(database_url, wait_s=0)
