"""Many things at once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence


async def together(deeds: Sequence[Callable[[], Awaitable[object]]]) -> list[object]:
    """Start all at the same moment; each result, or what it raised."""
    gate = asyncio.Event()

    async def one(deed: Callable[[], Awaitable[object]]) -> object:
        await gate.wait()
        return await deed()

    tasks = [asyncio.ensure_future(one(deed)) for deed in deeds]
    await asyncio.sleep(0)
    gate.set()
    return await asyncio.gather(*tasks, return_exceptions=True)
