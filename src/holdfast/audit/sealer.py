"""Sealing the audit log: rows become links of the chain within a second of their commit."""

import asyncio
import time

import psycopg
import structlog

from holdfast.audit import repository
from holdfast.audit.chain import seal_all
from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown, retried
from holdfast.database.retries import ConnectionLost

BATCH = 1_000
IDLE_WAIT_S = 0.25
FAILURE_WAIT_S = 1.0

log = structlog.get_logger()


class Sealer:
    """Runs in every worker; the lock of the chain's head lets one of them seal at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Until cancelled: seal what can be sealed, then look again."""
        while True:
            began = time.monotonic()
            try:
                sealed = await self.seal_some()
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("sealer_waits", reason=str(error))
                await asyncio.sleep(FAILURE_WAIT_S)
                continue
            # Catching up takes half of the time, so that others get on.
            await asyncio.sleep(time.monotonic() - began if sealed == BATCH else IDLE_WAIT_S)

    @retried
    async def seal_some(self) -> int:
        """Seal the next rows; returns how many it were. 0 also while another worker seals."""
        async with self._database.transaction() as tx:
            head = await repository.lock_head(tx)
            if head is None:
                return 0
            rows = await repository.to_seal(tx, head.seal.place, BATCH)
            if rows:
                await repository.add_seals(tx, seal_all(head.seal, rows))
            return len(rows)
