"""An audit log with something in it, and ways to tamper with it that only whoever owns the server has."""

from collections.abc import Sequence

import psycopg
from psycopg.rows import TupleRow

from holdfast import audit
from holdfast.audit import Deed
from holdfast.audit.models import AuditId
from holdfast.audit.sealer import Sealer
from holdfast.common.actor import SYSTEM
from holdfast.common.ids import Id
from holdfast.database import Database


class LanternId(Id, prefix="lan"):
    __slots__ = ()


async def record(database: Database, rows: int = 1) -> None:
    """So many rows, one in each transaction."""
    for number in range(rows):
        async with database.transaction() as tx:
            await audit.record(tx, [Deed(SYSTEM, "lantern.lit", LanternId.new(), after={"state": "LIT", "number": number})])


async def seal(database: Database) -> None:
    """Everything that can be sealed."""
    while await Sealer(database).seal_some():
        pass


async def sealed_log(database: Database, rows: int) -> None:
    await record(database, rows)
    await seal(database)


def tamper(superuser_url: str, *statements: str) -> None:
    """``row(n)`` in a statement stands for the id of the n-th row that was sealed."""
    with psycopg.connect(superuser_url) as superuser:
        for statement in statements:
            superuser.execute(statement.encode())


def row(number: int) -> str:
    return f"(SELECT log_id FROM audit_seals WHERE number = {number})"


def ids(superuser_url: str) -> Sequence[AuditId]:
    """Those of the rows, in the order of the log."""
    with psycopg.connect(superuser_url) as superuser:
        found: list[TupleRow] = superuser.execute("SELECT id FROM audit_logs ORDER BY epoch, xid, position").fetchall()
        return [AuditId.of(one) for (one,) in found]
