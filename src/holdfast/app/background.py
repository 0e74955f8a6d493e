"""Loops that run beside the requests, or in the worker, until the process ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()

Loop = Callable[[], Awaitable[None]]


@asynccontextmanager
async def in_background(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run loops while the block runs. One that ends with an error is logged and started again after a second."""
    tasks = [asyncio.create_task(_keep_running(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except Exception:
            log.exception("loop_failed", loop=getattr(loop, "__qualname__", repr(loop)))
        await asyncio.sleep(1.0)
