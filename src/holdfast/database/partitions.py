"""Monthly partitions of the append-only tables, by their UUIDv7 ids, which carry the time.

``migrate`` makes them ahead, as the owner. The application's role can make none.
"""

from datetime import UTC, datetime

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from holdfast.common.ids import first_id_of

MONTHS_AHEAD = 24
MONTHS_LEFT_ALERT = 3

_PARTITIONED = """
    SELECT c.relname
      FROM pg_partitioned_table p
      JOIN pg_class c ON c.oid = p.partrelid
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
     WHERE p.partstrat = 'r' AND p.partnatts = 1 AND a.attname = 'id' AND a.atttypid = 'uuid'::regtype
       AND c.relnamespace = 'public'::regnamespace
     ORDER BY 1
"""


def ensure_partitions(
    connection: psycopg.Connection[tuple[object, ...]], today: datetime | None = None, *, months_ahead: int = MONTHS_AHEAD
) -> list[str]:
    """Make what is missing of this month's and the next months' partitions; returns the names of those made.

    ``connection`` belongs to the owner and is in a transaction. Times are UTC.
    """
    first = (today or datetime.now(UTC)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    made = []
    with connection.cursor(row_factory=tuple_row) as cursor:
        tables = [str(name) for (name,) in cursor.execute(_PARTITIONED).fetchall()]
        for table in tables:
            for ahead in range(months_ahead + 1):
                start, end = _month(first, ahead), _month(first, ahead + 1)
                name = f"{table}_{start:%Y_%m}"
                if cursor.execute("SELECT to_regclass(%s)", (f"public.{name}",)).fetchone() != (None,):
                    continue
                cursor.execute(
                    sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})").format(
                        sql.Identifier(name),
                        sql.Identifier(table),
                        sql.Literal(str(first_id_of(_milliseconds(start)))),
                        sql.Literal(str(first_id_of(_milliseconds(end)))),
                    )
                )
                made.append(name)
    return made


def _month(first: datetime, ahead: int) -> datetime:
    years, month = divmod(first.month - 1 + ahead, 12)
    return first.replace(year=first.year + years, month=month + 1)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
