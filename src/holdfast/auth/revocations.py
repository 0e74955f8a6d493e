"""Which access tokens count no longer, in the memory of each process that reads them."""

import asyncio
import time
from collections import OrderedDict
from datetime import datetime, timedelta

import psycopg
import structlog

from holdfast.auth import repository
from holdfast.auth.models import LoginId
from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown
from holdfast.database.retries import ConnectionLost

POLL_S = 0.25
# No transaction lives longer than 10 s: what it will have written when it commits is not older than this.
OVERLAP = timedelta(seconds=15)

log = structlog.get_logger()


class Revocations:
    """Sign-ins whose tokens were taken back while tokens from before may still be around.

    Reads the sign-ins that changed, four times a second: that is one look into an index, whatever else goes on, while the whole
    event log would be as much work as all that is sold.
    """

    def __init__(self, database: Database, lifetime: timedelta) -> None:
        """``lifetime`` of the access tokens."""
        self._database = database
        self._window = lifetime + OVERLAP
        self._generations: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self._read_at: datetime | None = None
        self._first = asyncio.Lock()

    def has(self, login_id: LoginId, generation: int) -> bool:
        """Whether tokens of this generation count no longer."""
        found = self._generations.get(login_id.int)
        return found is not None and generation < found[0]

    def note(self, login_id: LoginId, generation: int) -> None:
        """Tokens of an earlier generation count no longer."""
        present = self._generations.pop(login_id.int, (0, 0.0))[0]
        self._generations[login_id.int] = max(generation, present), time.monotonic()

    async def be_ready(self) -> None:
        """Read what was taken back before this process began. Nobody is let in before that."""
        if self._read_at is None:
            async with self._first:
                if self._read_at is None:
                    await self.catch_up()

    async def catch_up(self) -> None:
        """Read what was taken back since the last time."""
        async with self._database.transaction() as tx:
            changes = await repository.changed_since(tx, self._read_at, OVERLAP, self._window)
        for login_id, generation in changes.logins:
            self.note(login_id, generation)
        self._read_at = changes.read_at
        self._forget()

    async def follow(self) -> None:
        """Keep up until cancelled."""
        while True:
            try:
                await self.catch_up()
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                log.warning("revocations_unreadable", reason=type(error).__name__)
            await asyncio.sleep(POLL_S)

    def _forget(self) -> None:
        """Drop those whose tokens have expired by themselves."""
        oldest = time.monotonic() - self._window.total_seconds()
        while self._generations and next(iter(self._generations.values()))[1] < oldest:
            self._generations.popitem(last=False)
