"""Making statements out of the ledger."""

import re
from datetime import date

from msgspec import Struct

from holdfast import audit
from holdfast.audit import Deed
from holdfast.common.actor import Actor, UserId
from holdfast.common.errors import Invalid
from holdfast.database import Database, Tx, retried
from holdfast.payouts.statements import repository
from holdfast.payouts.statements.errors import StatementTooLong
from holdfast.payouts.statements.models import Period, Section, Statement
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.models import SessionId

LINES_MAX = 5_000
YEARS = range(2001, 2101)
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


class Wanted(Struct, frozen=True):
    """Which statement: that of an ISO week such as 2026-W48, or of a session; of the present week where neither is named."""

    week: str | None = None
    session_id: SessionId | None = None


class StatementService:
    """The use cases of statements."""

    def __init__(self, database: Database, *, zone: str) -> None:
        """``zone`` is where payees do business: their weeks begin with its Mondays."""
        self._database = database
        self._zone = zone

    async def own(self, actor: Actor, wanted: Wanted) -> Statement:
        """A payee's own statement. Raises Invalid, SessionUnknown (also for another's session), StatementTooLong."""
        first_day = _monday(wanted)
        async with self._database.reading() as tx:
            return await self._statement(tx, actor.id, wanted, first_day)

    @retried
    async def of_payee(self, actor: Actor, payee_id: UserId, wanted: Wanted) -> Statement:
        """Anybody's statement, for an admin, which is audited. Raises Invalid, SessionUnknown, StatementTooLong."""
        first_day = _monday(wanted)
        async with self._database.transaction() as tx:
            statement = await self._statement(tx, payee_id, wanted, first_day)
            about = {"week": statement.period.week, "session_id": str(wanted.session_id) if wanted.session_id else None}
            await audit.record(tx, [Deed(actor, "payout_statement.viewed", payee_id, after=about)])
            return statement

    async def _statement(self, tx: Tx, payee_id: UserId, wanted: Wanted, first_day: date | None) -> Statement:
        period = await self._period(tx, payee_id, wanted, first_day)
        # A session begins with nothing; a week with what the weeks before it left.
        opening = {} if period.session_id else await repository.opening(tx, payee_id, period)
        lines = await repository.lines(tx, payee_id, period, LINES_MAX + 1)
        if len(lines) > LINES_MAX:
            raise StatementTooLong(lines_max=LINES_MAX)
        currencies = sorted({*opening, *(line.currency for line in lines)})
        sections = [
            Section(currency, opening.get(currency, 0), [line for line in lines if line.currency == currency]) for currency in currencies
        ]
        return Statement(payee_id, period, self._zone, sections)

    async def _period(self, tx: Tx, payee_id: UserId, wanted: Wanted, first_day: date | None) -> Period:
        if wanted.session_id is None:
            return await repository.week(tx, first_day, self._zone)
        found = await repository.session(tx, payee_id, wanted.session_id)
        if found is None:
            raise SessionUnknown
        return found


def _monday(wanted: Wanted) -> date | None:
    if wanted.week is None:
        return None
    if wanted.session_id is not None:
        raise Invalid(("week", "Name a week or a session, not both."))
    found = _WEEK.fullmatch(wanted.week)
    try:
        if found is None or int(found[1]) not in YEARS:
            raise ValueError
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise Invalid(("week", "Send a week of ISO 8601, such as 2026-W48.")) from None
