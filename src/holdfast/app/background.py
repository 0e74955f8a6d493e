"""Loops that run beside the requests, or in the worker, until the process ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

_CANCEL_AGAIN_S = 1.0

Loop = Callable[[], Awaitable[None]]
Step = Callable[[], Awaitable[int]]


@asynccontextmanager
async def in_background(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run loops while the block runs. One that ends with an error is logged and started again after a second."""
    tasks = [asyncio.create_task(_keep_running(loop)) for loop in loops]
    try:
        yield
    finally:
        left = set(tasks)
        while left:
            for task in left:
                task.cancel()
            # Cancelled while its server dies, psycopg raises that the connection is lost: the loop takes it for a failure and goes on.
            _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)


async def _keep_running(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:
            log.exception("loop_failed", loop=getattr(loop, "__qualname__", repr(loop)))
        await asyncio.sleep(1.0)
