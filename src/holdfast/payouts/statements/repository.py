"""The statements of the database that statements of payees are made from."""

from datetime import date

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.ledger import Account
from holdfast.payouts.repository import OWN_KINDS
from holdfast.payouts.statements.models import Balance, Line, Period
from holdfast.sessions.models import SessionId

SQL = queries(__file__)


async def week(tx: Tx, first_day: date | None, zone: str) -> Period:
    found = await tx.first(SQL.week, Period, first_day=first_day, zone=zone)
    assert found is not None
    return found


async def session(tx: Tx, payee_id: UserId, session_id: SessionId) -> Period | None:
    return await tx.first(SQL.session, Period, payee_id=payee_id, session_id=session_id)


async def opening(tx: Tx, payee_id: UserId, period: Period) -> dict[str, int]:
    rows = await tx.all(SQL.opening, Balance, starts_at=period.starts_at, **_accounts(payee_id))
    return {row.currency: row.minor for row in rows}


async def lines(tx: Tx, payee_id: UserId, period: Period, limit: int) -> list[Line]:
    return await tx.all(
        SQL.lines,
        Line,
        starts_at=period.starts_at,
        ends_at=period.ends_at,
        session_id=period.session_id,
        limit=limit,
        **_accounts(payee_id),
    )


def _accounts(payee_id: UserId) -> dict[str, object]:
    return {"kinds": [kind.value for kind in OWN_KINDS], "owner": Account.payee(payee_id).owner}
