"""The connections, and the only two ways to one: ``transaction()`` and ``reading()``."""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from holdfast.common.errors import Overloaded
from holdfast.database.retries import ConnectionLost, OutcomeUnknown, is_connection_lost
from holdfast.database.transaction import Tx, _inside

STATEMENT_TIMEOUT_MS = 3_000
LOCK_TIMEOUT_MS = 2_000
TRANSACTION_TIMEOUT_MS = 10_000
CONNECTION_WAIT_S = 1.0
_TRANSACTION_TIMEOUT_SINCE = 170_000

_OPTIONS = f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout={TRANSACTION_TIMEOUT_MS} -c timezone=UTC"
_READ_ONLY = " -c default_transaction_read_only=on"


class Database:
    """The connections of one process to PostgreSQL, as one of the two roles: some for reading, so that whoever looks around
    never stands in the way of whoever changes something.

    ``url`` is a libpq URI (``postgresql://...``). Waiting longer than a second for a free connection is Overloaded.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 10,
        readers: int | None = None,
        name: str = "holdfast",
        patient: bool = False,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
    ) -> None:
        """``readers`` of the connections are for reading; None: a third. ``patient`` lifts the deadlines: for migrations, imports and
        checks, which are not in anybody's way. ``lock_timeout_ms`` is how long a statement waits for a row.
        """
        self.url = url
        self._patient = patient
        self._name = name
        self._lock_timeout_ms = lock_timeout_ms
        self._opened: list[psycopg.AsyncConnection[Any]] = []
        readers = max(1, connections // 3) if readers is None else readers
        self.transactions_max = max(1, connections - readers)
        """How many transactions can be open at once."""
        # Each connection is opened when it is first wanted, so readers that nobody asks for cost nothing.
        self._writers = self._pool(self.transactions_max, self._connect)
        self._readers = self._pool(max(1, readers), self._connect_to_read)

    def _pool(self, size: int, connect: Callable[[], Awaitable[psycopg.AsyncConnection[Any]]]) -> AsyncEngine:
        pool = create_async_engine(
            "postgresql+psycopg://",
            # libpq reads its own URIs, sockets and all; SQLAlchemy need not understand them.
            async_creator=connect,
            pool_size=size,
            max_overflow=0,
            pool_timeout=CONNECTION_WAIT_S,
            isolation_level=None,
        )
        event.listen(pool.sync_engine, "checkout", _refuse_a_dead_connection)
        return pool

    async def _connect(self, *, reading: bool = False) -> psycopg.AsyncConnection[Any]:
        options = "-c timezone=UTC" if self._patient else f"-c lock_timeout={self._lock_timeout_ms} {_OPTIONS}"
        connection = await psycopg.AsyncConnection.connect(
            self.url,
            autocommit=True,
            options=options + (_READ_ONLY if reading else ""),
            application_name=self._name,
            connect_timeout=5,
            keepalives_idle=30,
            tcp_user_timeout=10_000,
        )
        try:
            if connection.info.server_version >= _TRANSACTION_TIMEOUT_SINCE and not self._patient:
                await connection.execute(f"SET transaction_timeout = {TRANSACTION_TIMEOUT_MS}")
            await connection.set_autocommit(reading)
        except BaseException:
            # Cancelled here, nobody else knows of it.
            await connection.close()
            raise
        self._opened = [*(each for each in self._opened if not each.closed), connection]
        return connection

    async def _connect_to_read(self) -> psycopg.AsyncConnection[Any]:
        """At READ COMMITTED each statement sees what is true when it begins, so a transaction around them would add nothing but two
        more journeys to the server.
        """
        return await self._connect(reading=True)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """A transaction on the primary. It commits when the block ends, and rolls back when the block raises.

        Raises OutcomeUnknown where the answer to COMMIT was lost, ConnectionLost where the connection broke before it,
        Overloaded where no connection came free within a second.
        """
        async with _taken_from(self._writers) as (connection, pg), _deadline_before_17(pg, patient=self._patient):
            token = _inside.set(True)
            try:
                yield Tx(connection, pg, lock_timeout_ms=self._lock_timeout_ms)
                await _commit_shielded(connection)
            except BaseException as error:
                if is_connection_lost(error, pg) and not isinstance(error, OutcomeUnknown):
                    raise ConnectionLost(str(error)) from error
                raise
            finally:
                _inside.reset(token)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tx]:
        """Statements that change nothing, for showing things. Each commits by itself and sees what is committed when it begins, so two
        of them may see different states; a replica could answer them one day. Never decide on what they say.

        Raises ConnectionLost, Overloaded.
        """
        async with _taken_from(self._readers) as (connection, pg):
            token = _inside.set(True)
            try:
                yield Tx(connection, pg)
            except BaseException as error:
                if is_connection_lost(error, pg):
                    raise ConnectionLost(str(error)) from error
                raise
            finally:
                _inside.reset(token)

    async def close(self) -> None:
        """Close every connection, also those that the pool lost sight of when whoever waited for them was cancelled."""
        await self._writers.dispose()
        await self._readers.dispose()
        for connection in self._opened:
            await connection.close()


@asynccontextmanager
async def _taken_from(pool: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, psycopg.AsyncConnection[Any]]]:
    try:
        connection = await pool.connect()
    except PoolTimeout as error:
        raise Overloaded from error
    except (psycopg.OperationalError, DBAPIError) as error:
        raise ConnectionLost(str(error)) from error
    pg = (await connection.get_raw_connection()).driver_connection
    assert isinstance(pg, psycopg.AsyncConnection)
    try:
        yield connection, pg
    finally:
        if pg.closed or pg.broken:
            await connection.invalidate()
        await connection.close()


async def _commit_shielded(connection: AsyncConnection) -> None:
    """COMMIT, never cancelled: psycopg would send the server a cancel, and nobody would know what became of it (rule 7)."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert isinstance(raw, psycopg.AsyncConnection)
    if raw.info.transaction_status is TransactionStatus.INERROR:
        # Somebody caught an error of the database inside the block: COMMIT would be answered with a silent ROLLBACK.
        raise psycopg.errors.InFailedSqlTransaction("a statement of this transaction failed, so nothing of it can be committed")
    commit = asyncio.ensure_future(raw.commit())
    try:
        await asyncio.shield(commit)
    except asyncio.CancelledError:
        await asyncio.wait([commit])
        if commit.exception() is None:
            await connection.commit()
        raise
    except psycopg.OperationalError as error:
        if is_connection_lost(error, raw):
            raise OutcomeUnknown(str(error)) from error
        raise
    # Nothing is open any more: this only lets SQLAlchemy know.
    await connection.commit()


@asynccontextmanager
async def _deadline_before_17(pg: psycopg.AsyncConnection[Any], *, patient: bool) -> AsyncIterator[None]:
    """Up to PostgreSQL 16 there is no transaction_timeout: a timer of ours closes the connection instead."""
    if patient or pg.info.server_version >= _TRANSACTION_TIMEOUT_SINCE:
        yield
        return
    timer = asyncio.get_running_loop().call_later(TRANSACTION_TIMEOUT_MS / 1000, pg.pgconn.finish)
    try:
        yield
    finally:
        timer.cancel()


def _refuse_a_dead_connection(pg: Any, _record: object, _proxy: object) -> None:
    """An idle connection that has something to read was ended by the server: take another one.

    This replaces a ping for every transaction by a look at the socket, and survives a restart of PostgreSQL.
    """
    connection: psycopg.AsyncConnection[Any] = pg.driver_connection
    if connection.closed or select.select([connection.fileno()], [], [], 0)[0]:
        raise DisconnectionError("the server closed this connection")
