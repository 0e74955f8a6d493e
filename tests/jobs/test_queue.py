"""The queue: a job commits with the work that asks for it, and a worker can be stopped at any moment."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from holdfast.database import Database
from holdfast.jobs import Job, Jobs

ENDED_WITHIN_S = 10.0


@asynccontextmanager
async def working(jobs: Jobs) -> AsyncIterator[None]:
    task = asyncio.create_task(jobs.work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_job_runs_once_the_work_that_asked_for_it_is_committed(database: Database, database_url: str) -> None:
    done: asyncio.Queue[str] = asyncio.Queue()

    async def note(word: str) -> None:
        await done.put(word)

    jobs = Jobs(database_url, [Job("note", note)])

    async def change_ones_mind() -> None:
        async with database.transaction() as tx:
            await jobs.defer(tx, "note", word="never")
            raise ZeroDivisionError

    async with working(jobs):
        with pytest.raises(ZeroDivisionError):
            await change_ones_mind()
        async with database.transaction() as tx:
            await jobs.defer(tx, "note", word="kept")
            await asyncio.sleep(0)
            assert done.empty()
        async with asyncio.timeout(ENDED_WITHIN_S):
            assert await done.get() == "kept"
    assert done.empty()


async def test_a_worker_that_is_stopped_while_it_opens_leaves_nothing_running(database_url: str) -> None:
    """Its pool of connections was once left half open, and what waited for its tasks waited for ever."""
    before = asyncio.all_tasks()
    for steps in range(0, 40, 2):
        task = asyncio.create_task(Jobs(database_url).work())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        # Whoever stops a worker cancels it again when it does not end at once.
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(ENDED_WITHIN_S):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        left = asyncio.all_tasks() - before
        assert not left, f"after {steps} steps: {left}"
