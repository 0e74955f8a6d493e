"""The rules as this process knows them: in its memory, at most a second old, so that judging a payment costs no statement for them."""

import asyncio
import time
from collections.abc import Sequence

import psycopg
import structlog

from holdfast.common.errors import Overloaded
from holdfast.database import Database, OutcomeUnknown
from holdfast.database.retries import ConnectionLost
from holdfast.fraud import repository
from holdfast.fraud.models import Rule

# Half of the second within which a change is to be known everywhere: the other half is for reading them.
AGE_S_MAX = 0.5

log = structlog.get_logger()


class KnownRules:
    """The rules that are enabled, in the order in which they are looked at."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fresh_until: float | None = None
        self._reading = asyncio.Lock()
        self.enabled: Sequence[Rule] = ()

    async def look(self) -> None:
        """Read the rules where what is known of them is old. What is known goes on to count while the database cannot be read.

        Raises Overloaded, ConnectionLost, OutcomeUnknown where nothing is known yet.
        """
        if self._is_fresh():
            return
        async with self._reading:
            if self._is_fresh():
                return
            try:
                await self.refresh()
            except (psycopg.OperationalError, ConnectionLost, OutcomeUnknown, Overloaded) as error:
                if self._fresh_until is None:
                    raise
                log.warning("fraud_rules_unreadable", reason=type(error).__name__)

    async def refresh(self) -> None:
        """Read the rules now, from the primary: payments are decided by them."""
        asked_at = time.monotonic()
        async with self._database.transaction() as tx:
            found = await repository.rules(tx)
        self.enabled = [rule for rule in found if rule.is_enabled]
        self._fresh_until = asked_at + AGE_S_MAX

    def distrust(self) -> None:
        """A rule was changed here: the next payment reads them anew."""
        if self._fresh_until is not None:
            self._fresh_until = 0.0

    def _is_fresh(self) -> bool:
        return self._fresh_until is not None and time.monotonic() < self._fresh_until
