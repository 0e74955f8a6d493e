"""One open transaction, and what may be done with it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncPipeline
from psycopg.rows import dict_row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Executable

from holdfast.common.wire import read_row
from holdfast.database.arrays import quickened
from holdfast.database.queries import Query

T = TypeVar("T")

_inside: ContextVar[bool] = ContextVar("inside_transaction", default=False)


class NetworkInsideTransaction(AssertionError):
    """Somebody waited for the network while rows were locked. Do it before the transaction or after it (rule 2)."""


def forbid_inside_transaction(what: str) -> None:
    """Called by everything that talks to Redis, a gateway or a mail server. Raises NetworkInsideTransaction."""
    if _inside.get():
        raise NetworkInsideTransaction(what)


class Tx:
    """An open transaction, or, from ``reading()``, a connection on which each statement is one.

    A statement is a named query, run by psycopg itself, or one built with SQLAlchemy.

    Errors of the database come out as psycopg's own either way.
    """

    __slots__ = ("connection", "lock_timeout_ms", "locked", "pg")

    def __init__(self, connection: AsyncConnection, pg: psycopg.AsyncConnection[Any], *, lock_timeout_ms: int = 0) -> None:
        """``lock_timeout_ms`` is how long each of its statements waits for a row, 0 where nothing was said about that."""
        self.connection = connection
        self.pg = pg
        self.lock_timeout_ms = lock_timeout_ms
        self.locked: dict[str, frozenset[UUID]] = {}
        """What of a sort that may be locked only once was locked (rule 4): the name of the sort, and the ids."""

    async def all(self, statement: Query | Executable, row: type[T], **parameters: object) -> list[T]:
        """Every row, each as the frozen Struct ``row`` whose fields are named after the columns."""
        return [read_row(found, row) for found in await self.rows(statement, **parameters)]

    async def first(self, statement: Query | Executable, row: type[T], **parameters: object) -> T | None:
        """The first row, or None where there is none."""
        found = await self.rows(statement, **parameters)
        return read_row(found[0], row) if found else None

    async def rows(self, statement: Query | Executable, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """Every row as a mapping, for the rare result that is not worth a Struct."""
        if isinstance(statement, Query):
            async with self.pg.cursor(row_factory=dict_row) as cursor:
                await cursor.execute(statement.text, quickened(parameters) if parameters else None)
                return await cursor.fetchall()
        try:
            result = await self.connection.execute(statement, parameters or None)
        except DBAPIError as error:
            raise _original(error) from None
        return result.mappings().all()  # type: ignore[return-value]

    async def value(self, statement: Query | Executable, **parameters: object) -> Any:
        """The first column of the first row, or None where there is none."""
        found = await self.rows(statement, **parameters)
        return next(iter(found[0].values())) if found else None

    async def run(self, statement: Query | Executable, **parameters: object) -> int:
        """A statement of which only the number of changed rows matters."""
        if isinstance(statement, Query):
            cursor = await self.pg.execute(statement.text, quickened(parameters) if parameters else None)
            return cursor.rowcount
        try:
            return (await self.connection.execute(statement, parameters or None)).rowcount
        except DBAPIError as error:
            raise _original(error) from None

    def pipeline(self) -> AbstractAsyncContextManager[AsyncPipeline]:
        """Named statements given to ``run`` inside are sent without waiting for each other; their counts are not known."""
        return self.pg.pipeline()


def _original(error: DBAPIError) -> BaseException:
    return error.orig if error.orig is not None else error
