"""What tests of the ledger post, and the seal of a day worked out anew, as docs/explain/money.md describes it."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from holdfast.common.money import Amount, egp
from holdfast.database import Database
from holdfast.ledger import FEES, Account, Entry, Purpose, Transaction, post
from holdfast.ledger.roll_up import RollUp

SANDBOX = Account.gateway("sandbox")
BANK = Account.bank()
ZONE = "Africa/Cairo"


def transfer(
    source: Account, to: Account, amount: Amount, at: datetime, *, purpose: Purpose = Purpose.CAPTURE, of: UUID | None = None
) -> Transaction:
    return Transaction(of or uuid4(), purpose, at, (Entry(source, -amount), Entry(to, amount)))


async def posted(database: Database, transactions: Sequence[Transaction]) -> int:
    async with database.transaction() as tx:
        return await post(tx, transactions)


async def now(database: Database) -> datetime:
    async with database.reading() as tx:
        found: datetime = await tx.value(text("SELECT business_now()"))
        return found


async def days_ago(database: Database, days: float) -> datetime:
    return await now(database) - timedelta(days=days)


async def earn(database: Database, pounds: int, at: datetime) -> None:
    await posted(database, [transfer(SANDBOX, FEES, egp(pounds), at)])


async def rolled_up(database: Database, rows: int) -> None:
    """Roll up until so many rows were added up: whatever runs on the server may hold the horizon back for a moment."""
    async with asyncio.timeout(20):
        while rows > 0:
            rows -= await RollUp(database).roll_up_some()
            await asyncio.sleep(0.01)
    assert rows == 0


async def wrongly_sealed(database: Database) -> list[str]:
    """Days whose seal is not that of their entries and of the day before."""
    async with database.reading() as tx:
        days = await tx.rows(text("SELECT day, starts_at, ends_at, entries, previous_seal, seal FROM ledger_days ORDER BY day"))
        entries = await tx.rows(text("SELECT * FROM ledger_entries ORDER BY epoch, xid, id"))
    wrong, previous = [], b""
    for day in days:
        of_day = [entry for entry in entries if day["starts_at"] <= entry["posted_at"] < day["ends_at"]]
        content = f"{day['day']}|{_microseconds(day['starts_at'])}|{_microseconds(day['ends_at'])}".encode()
        for entry in of_day:
            fields = (
                entry["id"],
                entry["transaction_id"],
                entry["purpose"],
                entry["account_id"],
                entry["amount"],
                entry["currency"],
                _microseconds(entry["posted_at"]),
            )
            content += hashlib.sha256("|".join(str(field) for field in fields).encode()).digest()
        seal = hashlib.sha256(previous + content).digest()
        if (bytes(day["previous_seal"]), bytes(day["seal"]), day["entries"]) != (previous, seal, len(of_day)):
            wrong.append(str(day["day"]))
        previous = seal
    return wrong


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000 if moment.microsecond == 0 else int(moment.timestamp()) * 1_000_000 + moment.microsecond
