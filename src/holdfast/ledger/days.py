"""Closing business days: nothing is posted into one any more, and what is in it is sealed together with the day before.

In two steps, and safe to kill in between. The first announces that nothing is posted before an instant; the second seals the day
once everybody has ended who may not have seen the announcement. Whoever posts has a transaction id before it looks, so it is enough
to wait for ids.
"""

import asyncio
import time
from datetime import timedelta

import psycopg
import structlog

from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown, retried
from holdfast.database.retries import ConnectionLost
from holdfast.ledger.models import BusinessDay
from holdfast.ledger.repository import SQL

CLOSING_GRACE = timedelta(minutes=1)
"""How long after its end a day is closed: more than a transaction lives, so that nothing is posted a day too late without need."""

WAIT_S_MAX = 30.0
_LOOK_EVERY_S = 0.05
NAP_S = 60.0

log = structlog.get_logger()


class Days:
    """Run by the worker; several may: a day is closed once."""

    def __init__(self, database: Database, *, zone: str) -> None:
        """``zone``: whose midnight a day begins at."""
        self._database = database
        self._zone = zone

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                is_done = not await self.close_next()
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("closing_waits", reason=str(error))
                is_done = True
            if is_done:
                await asyncio.sleep(NAP_S)

    async def close_next(self) -> bool:
        """Close the first day that is over and still open; whether there was one."""
        announced = await self._announce()
        if announced is None or not await self._everybody_knows():
            return False
        return await self._seal(announced)

    @retried
    async def _announce(self) -> BusinessDay | None:
        async with self._database.transaction() as tx:
            day = await tx.first(SQL.next_day, BusinessDay, zone=self._zone, grace=CLOSING_GRACE)
            if day is None or not day.is_over:
                return None
            await tx.run(SQL.announce_closing, ends_at=day.ends_at)
            return day

    async def _everybody_knows(self) -> bool:
        """Wait until every transaction has ended that may have begun before the announcement could be seen."""
        give_up_at = time.monotonic() + WAIT_S_MAX
        async with self._database.transaction() as tx:
            first_to_know: int = await tx.value(SQL.next_transaction)
        while True:
            async with self._database.transaction() as tx:
                oldest: int = await tx.value(SQL.oldest_transaction)
            if oldest >= first_to_know:
                return True
            if time.monotonic() > give_up_at:
                log.warning("closing_waits", reason="a transaction stays open", oldest=oldest)
                return False
            await asyncio.sleep(_LOOK_EVERY_S)

    @retried
    async def _seal(self, announced: BusinessDay) -> bool:
        async with self._database.transaction() as tx:
            await tx.run(SQL.take_long)
            # Asked again: an entry of an earlier day may have been committed while we waited.
            day = await tx.first(SQL.next_day, BusinessDay, zone=self._zone, grace=CLOSING_GRACE)
            if day is None or day.ends_at > announced.ends_at:
                return False
            sealed: int = await tx.value(SQL.seal_day, day=day.day, zone=self._zone, starts_at=day.starts_at, ends_at=day.ends_at)
            return sealed == 1
