"""Rolling balances up: what the log says of each account, added up to the horizon, so that a balance reads only what is newer.

Nothing depends on when it runs: a balance is what was rolled up and the tail of the log after it, in one look.
"""

import asyncio

import psycopg
import structlog

from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown, retried
from holdfast.database.retries import ConnectionLost
from holdfast.ledger.models import RolledUpTo
from holdfast.ledger.repository import SQL

ROLL_UP_BATCH = 20_000
NAP_S = 1.0

log = structlog.get_logger()


class RollUp:
    """Run by the worker; several may: one has its turn."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                is_done = await self.roll_up_some() < ROLL_UP_BATCH
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("roll_up_waits", reason=str(error))
                is_done = True
            if is_done:
                await asyncio.sleep(NAP_S)

    @retried
    async def roll_up_some(self, limit: int = ROLL_UP_BATCH) -> int:
        """Add the next entries up; returns how many. Sums and place commit together, so none counts twice if it is killed."""
        async with self._database.transaction() as tx:
            await tx.run(SQL.take_long)
            place = await tx.first(SQL.lock_roll_up, RolledUpTo)
            if place is None:
                return 0
            added: int = await tx.value(SQL.roll_up, epoch=place.epoch, xid=str(place.xid), limit=limit)
            return added
