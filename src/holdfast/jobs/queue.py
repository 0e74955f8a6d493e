"""The queue of jobs, and the worker that runs them."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import procrastinate
from msgspec import Struct

from holdfast.database import Tx

ATTEMPTS_MAX = 8
RETRY_WAIT = timedelta(seconds=5)
OPENING_S_MAX = 5.0
DEAD_JOBS_KEPT = timedelta(days=30)


class Job(Struct, frozen=True):
    """Work that is done outside the request. ``run`` may be called more than once for the same arguments and must stand that.

    ``schedule`` is a cron line for work that nobody asks for; such a job is called without arguments.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    schedule: str | None = None


class Jobs:
    """All jobs of the program. A failed one is tried 8 times, each wait longer, and then lies in the dead-job list."""

    def __init__(self, database_url: str, jobs: Sequence[Job] = ()) -> None:
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=database_url, min_size=1, max_size=4))
        for job in jobs:
            self.add(job)

    def add(self, job: Job) -> None:
        retry = procrastinate.RetryStrategy(max_attempts=ATTEMPTS_MAX, exponential_wait=int(RETRY_WAIT.total_seconds()))
        if job.schedule is None:
            self._app.task(name=job.name, retry=retry)(job.run)
            return

        async def run_on_schedule(timestamp: int) -> None:  # noqa: ARG001 - the queue passes the minute for which it runs.
            await job.run()

        task = self._app.task(name=job.name, retry=retry, queueing_lock=job.name)(run_on_schedule)
        self._app.periodic(cron=job.schedule)(task)

    async def defer(self, tx: Tx, name: str, **arguments: str | int | None) -> None:
        """Ask for a job, in the caller's transaction. Not from hot ones: the queue notifies, which serialises commits (rule 3)."""
        await self._app.configure_task(name, connection=tx.pg).defer_async(**arguments)

    async def work(self, concurrency: int = 4) -> None:
        """Run jobs until cancelled; the ones that run are then finished."""
        # Left behind half open, the pool of connections has tasks that never end: closing it is not cancelled, however often.
        opening = asyncio.ensure_future(self._app.open_async())
        try:
            await asyncio.shield(opening)
            await self._app.run_worker_async(
                concurrency=concurrency, install_signal_handlers=False, shutdown_graceful_timeout=10.0, delete_jobs="successful"
            )
        finally:
            closing = asyncio.ensure_future(self._close(opening))
            while not closing.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(closing)
            closing.result()

    async def _close(self, opening: "asyncio.Future[object]") -> None:
        await asyncio.wait([opening], timeout=OPENING_S_MAX)
        await self._app.close_async()
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
