"""A process that seals, and is killed with ``kill -9`` at a named point: ``python -m tests.audit.dying POINT URL``."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from holdfast.audit import repository
from holdfast.audit.models import Seal
from holdfast.audit.sealer import Sealer
from holdfast.database import Database, Tx

POINTS = ("before the seals", "before the commit", "after the commit")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def run(point: str, url: str) -> None:
    add_seals = repository.add_seals

    async def dying(tx: Tx, seals: Sequence[Seal]) -> None:
        if point == "before the seals":
            die()
        await add_seals(tx, seals)
        if point == "before the commit":
            die()

    repository.add_seals = dying
    await Sealer(Database(url, name="dying")).seal_some()
    die()


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
