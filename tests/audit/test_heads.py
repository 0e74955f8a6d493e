"""Published heads, and the commands that compare with them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.audit.log import ids, record, row, sealed_log, tamper

from holdfast.app.settings import load_settings
from holdfast.app.wiring import build_program
from holdfast.app.worker import run_program
from holdfast.audit.heads import HeadUnreadable, PublishedHead, Publisher
from holdfast.audit.verification import contradicted, end_of_chain, verify
from holdfast.database import Database

ROOT = Path(__file__).parents[2]


# Killed while it writes.
_DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from holdfast.audit.heads import Publisher
from holdfast.database import Database
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(Publisher(Database(sys.argv[1]), Path(sys.argv[2])).publish())
"""


def holdfast(database_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "DATABASE_", "REDIS_"))}
    return subprocess.run(
        [sys.executable, "-m", "holdfast", *arguments],
        env={**environment, "PYTHONPATH": str(ROOT / "src"), "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_one_head_a_day(database: Database, tmp_path: Path, move_time: Callable[[timedelta], None]) -> None:
    publisher = Publisher(database, tmp_path / "heads" / "audit")
    assert not (await publisher.publish()).exists(), "there is nothing to publish yet"
    await sealed_log(database, 2)
    first = await publisher.publish()
    assert first.name == f"audit-head-{await _today(database)}.json"
    assert PublishedHead.read(first) == PublishedHead.of((await verify(database)).head)
    await sealed_log(database, 1)
    assert await publisher.publish() == first
    assert PublishedHead.read(first).rows == 2, "what was published stays"
    move_time(timedelta(days=1))
    second = await publisher.publish()
    assert second.name == f"audit-head-{await _today(database)}.json"
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name, second.name]
    assert await contradicted(database, [PublishedHead.read(first), PublishedHead.read(second)]) is None


async def test_it_is_there_whole_or_not_at_all(database: Database, tmp_path: Path) -> None:
    """Killed before the file has its name, it leaves none, and the next one publishes."""
    await sealed_log(database, 2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    dying = await asyncio.create_subprocess_exec(sys.executable, "-c", _DYING, database.url, str(tmp_path), env=environment)
    assert await dying.wait() == -signal.SIGKILL
    assert not await asyncio.to_thread(lambda: list(tmp_path.glob("*.json")))
    assert PublishedHead.read(await Publisher(database, tmp_path).publish()).rows == 2


async def test_the_worker_seals_and_publishes(database: Database, database_url: str, tmp_path: Path) -> None:
    await sealed_log(database, 2)
    settings = load_settings(DATABASE_URL=database_url, HOLDFAST_AUDIT_HEADS=str(tmp_path / "heads"))
    working = asyncio.create_task(run_program(build_program(settings)))
    try:
        path = tmp_path / "heads" / f"audit-head-{await _today(database)}.json"
        await _until(lambda: _has_rows(path, 2), 20)
        await record(database, 3)
        await _until(lambda: _is_sealed(database, 5), 1)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert PublishedHead.read(path).rows == 2


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def _has_rows(path: Path, rows: int) -> bool:
    return await asyncio.to_thread(path.exists) and PublishedHead.read(path).rows == rows


async def _is_sealed(database: Database, rows: int) -> bool:
    return (await end_of_chain(database)).number == rows


async def test_a_directory_that_cannot_be_written_ends_nothing(database: Database, tmp_path: Path) -> None:
    await sealed_log(database, 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        await Publisher(database, tmp_path / "file" / "heads").publish()


@pytest.mark.parametrize("content", ["", "{}", '{"rows": "many", "hash": "", "place": "", "sealed_at": "2026-01-01T00:00:00Z"}', None])
def test_what_is_no_head_is_said(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "head.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(HeadUnreadable, match=r"head\.json is no published head"):
        PublishedHead.read(path)


async def test_the_commands(database: Database, database_url: str, superuser_url: str, tmp_path: Path) -> None:
    await sealed_log(database, 4)
    printed = holdfast(database_url, "audit", "head")
    assert printed.returncode == 0, printed.stderr
    published = tmp_path / "head.json"
    published.write_text(printed.stdout)
    assert json.loads(printed.stdout)["rows"] == 4
    await sealed_log(database, 2)

    whole = holdfast(database_url, "audit", "verify", "--against", str(published))
    assert whole.returncode == 0, whole.stdout + whole.stderr
    head = (await verify(database)).head
    assert f"6 rows were compared. The chain ends with row 6, {head.hash.hex()}." in whole.stdout
    assert "2 rows after row 4 were compared." in holdfast(database_url, "audit", "verify", "--since", str(published)).stdout

    tamper(superuser_url, f"UPDATE audit_logs SET actor_role = 'ADMIN' WHERE id = {row(3)}")
    broken = holdfast(database_url, "audit", "verify")
    assert broken.returncode == 1
    assert broken.stdout.startswith(f"Row 3 ({ids(superuser_url)[2]}, at "), broken.stdout
    assert "was changed after it was sealed" in broken.stdout
    assert "Nothing was changed" not in broken.stdout

    published.write_text(json.dumps({**json.loads(printed.stdout), "hash": "00" * 32}))
    contradiction = holdfast(database_url, "audit", "verify", "--since", str(published))
    assert contradiction.returncode == 1
    assert "is not in the chain: of rows 1 to 4 some were sealed anew" in contradiction.stdout

    tamper(superuser_url, "DELETE FROM audit_chain_head")
    for gone in (holdfast(database_url, "audit", "verify"), holdfast(database_url, "audit", "head")):
        assert gone.returncode == 1
        assert gone.stderr.startswith("holdfast: The head of the audit chain was removed")

    published.write_text("no head")
    refused = holdfast(database_url, "audit", "verify", "--against", str(published))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"holdfast: {published} is no published head")


async def _today(database: Database) -> str:
    async with database.reading() as tx:
        return str(await tx.value(text("SELECT (business_now() AT TIME ZONE 'UTC')::date")))
