"""Asking everything of one snapshot of the database, so that what belongs together is seen together."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from msgspec import Struct
from psycopg import IsolationLevel, sql
from psycopg.rows import dict_row

from holdfast.app.check.forbidden import try_forbidden
from holdfast.app.check.invariants import APPEND_ONLY, LIMITS, SETTLED_GRACE, Invariant, invariants, known_states
from holdfast.app.check.settled import Statement, ask_gateways
from holdfast.app.faults import Fault
from holdfast.audit.chain import HeadGone
from holdfast.audit.verification import end_of_chain, verify
from holdfast.database import Database
from holdfast.ledger.models import GUARDED
from holdfast.payments.gateway import Gateway

ROWS_MAX = 10
SETTLED_SINCE = timedelta(days=7)
CHAIN_ROWS = 10_000
HEARTBEAT_MAX = timedelta(seconds=30)
_SHOWN_SETTINGS = ("server_version", "fsync", "full_page_writes", "synchronous_commit", "data_checksums", "wal_level")
# For this session alone: joins over whole tables should not go through files.
_WORK_MEM = "128MB"

Row = Mapping[str, object]


class Finding(Struct, frozen=True):
    """What one invariant has to say. ``rows`` are the first few that offend, ``violations`` how many do."""

    number: str
    name: str
    meaning: str
    violations: int
    rows: Sequence[Row]
    ms: float

    @property
    def holds(self) -> bool:
        return self.violations == 0


class Examination(Struct, frozen=True):
    """All findings about one database at one moment. ``notes`` say what could not be judged, and why."""

    at: datetime
    settings: Mapping[str, str]
    findings: Sequence[Finding]
    notes: Sequence[str]

    @property
    def violations(self) -> int:
        return sum(finding.violations for finding in self.findings)

    @property
    def broken(self) -> list[str]:
        """Names of the invariants that do not hold."""
        return [finding.name for finding in self.findings if not finding.holds]


async def examine(
    url: str,
    *,
    consumers: Sequence[str] = (),
    gateways: Sequence[Gateway] = (),
    settled_grace: timedelta = SETTLED_GRACE,
    test_clock: bool = False,
) -> Examination:
    """Ask all invariants of a database, as the program's own role. Raises Fault where it cannot be opened.

    ``consumers``: who reads the event log. ``gateways``: whose own books are compared with ours, but for what moved within
    ``settled_grace``. ``test_clock``: a clock that tests can move is no violation.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, connect_timeout=5, application_name="holdfast check", options=f"-c timezone=UTC -c work_mem={_WORK_MEM} -c jit=off"
        )
    except psycopg.OperationalError as error:
        raise Fault(f"The database cannot be opened: {str(error).strip()}") from error
    async with connection:
        tried = await _forbidden(connection)
        now = await _business_now(connection)
        settled = await ask_gateways(gateways, now - SETTLED_SINCE, now)
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        settings, worker_runs = await _settings(connection), await _worker_runs(connection)
        parameters = {
            **LIMITS,
            **known_states(),
            **settled.parameters(),
            "settled_grace": settled_grace,
            "append_only": list(APPEND_ONLY),
            "guarded": sorted(GUARDED),
            "consumers": list(consumers),
            "test_clock": test_clock,
            "worker_runs": worker_runs,
        }
        findings = [await _ask(connection, invariant, parameters) for invariant in invariants()]
        await connection.rollback()
    sealed = next(place for place, finding in enumerate(findings) if finding.name == "i14_sealed")
    findings.insert(sealed + 1, await _chain(url))
    return Examination(now, settings, [tried, *findings], _notes(settled, worker_runs=worker_runs))


async def _forbidden(connection: psycopg.AsyncConnection[Any]) -> Finding:
    began = time.perf_counter()
    allowed = await try_forbidden(connection, APPEND_ONLY)
    meaning = "Changing and removing what is append-only is refused, tried with every table and column."
    return Finding("rule 12", "rule12_refusals", meaning, len(allowed), allowed[:ROWS_MAX], _ms(began))


async def _chain(url: str) -> Finding:
    """The end of the audit chain. What is sealed never changes, so it needs no snapshot."""
    began = time.perf_counter()
    database = Database(url, connections=1, name="holdfast check", patient=True)
    try:
        head = await end_of_chain(database)
        verdict = await verify(database, max(head.number - CHAIN_ROWS, 0))
        broken, count = [str(each) for each in verdict.broken], verdict.count
    except HeadGone as gone:
        broken, count = [str(gone)], 1
    finally:
        await database.close()
    meaning = f"The last {CHAIN_ROWS:,} rows of the audit log are as they were sealed (`holdfast audit verify` asks for all)."
    return Finding("I14", "i14_chain", meaning, count, [{"broken": each} for each in broken[:ROWS_MAX]], _ms(began))


async def _business_now(connection: psycopg.AsyncConnection[Any]) -> datetime:
    cursor = await connection.execute("SELECT business_now()")
    row = await cursor.fetchone()
    await connection.rollback()
    assert row is not None
    found: datetime = row[0]
    return found


async def _settings(connection: psycopg.AsyncConnection[Any]) -> dict[str, str]:
    cursor = await connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_SHOWN_SETTINGS),))
    found = dict(await cursor.fetchall())
    return {name: found[name] for name in _SHOWN_SETTINGS if name in found}


async def _worker_runs(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether a worker has shown itself lately: what it has to do in time is judged only then."""
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE last_heartbeat > now() - %s::interval)", (HEARTBEAT_MAX,)
    )
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])


async def _ask(connection: psycopg.AsyncConnection[Any], invariant: Invariant, parameters: Mapping[str, object]) -> Finding:
    began = time.perf_counter()
    # The text is that of a statement of ours; all that is put around it counts the rows and cuts them off.
    counted = "SELECT count(*) OVER () AS violations, to_jsonb(offending) AS row FROM ({}) AS offending LIMIT {}"
    statement = sql.SQL(counted).format(sql.SQL(invariant.query.text), ROWS_MAX)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        rows = await cursor.fetchall()
    violations = rows[0]["violations"] if rows else 0
    return Finding(invariant.number, invariant.name, invariant.meaning, violations, [row["row"] for row in rows], _ms(began))


def _notes(settled: Statement, *, worker_runs: bool) -> list[str]:
    notes = [] if worker_runs else ["No worker runs: what it has to do in time (I7, I9, I10, I11, I12, I14) was not judged."]
    if not settled.asked:
        notes.append("No gateway was asked what it took: I6 was judged by our own books alone.")
    return notes + [f"The gateway {name} did not answer." for name in settled.silent]


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)
