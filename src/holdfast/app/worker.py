"""What happens by itself: lapsed holds, undecided payments, seals of the audit log, events that others wait for, jobs."""

import asyncio
from functools import partial

from holdfast import idempotency
from holdfast.app import heap
from holdfast.app.background import Loop, in_background
from holdfast.app.wiring import Program, build_program
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.events.consumers import run_consumer, run_follower
from holdfast.jobs import Job, Jobs

CLEANING_BATCH = 5_000


async def run_worker(settings: Settings) -> None:
    """Run until cancelled. Several workers may run at once."""
    program = build_program(settings)
    heap.freeze()
    await run_program(program)


async def run_program(program: Program) -> None:
    """Run the loops, consumers, followers and jobs of a program until cancelled, then close it."""
    database = program.database
    forget_old = Job("idempotency.forget_old", partial(forget_old_keys, database), "41 * * * *")
    jobs = Jobs(program.settings.database_url, [*program.jobs, forget_old])
    loops: list[Loop] = [
        *program.loops,
        *(partial(run_consumer, database, consumer) for consumer in program.consumers),
        *(partial(run_follower, database, follower) for follower in program.followers),
        jobs.work,
    ]
    try:
        async with in_background(loops):
            await asyncio.Event().wait()
    finally:
        await program.close()


async def forget_old_keys(database: Database) -> None:
    """Delete idempotency keys whose time is over, in slices, so that no transaction grows long."""
    while True:
        async with database.transaction() as tx:
            if await idempotency.delete_old_keys(tx, CLEANING_BATCH) < CLEANING_BATCH:
                return
