"""Trying, as the program, what the program may not do."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import errors, sql


async def try_forbidden(connection: psycopg.AsyncConnection[Any], tables: Sequence[str]) -> list[dict[str, object]]:
    """Every statement against an append-only table that was not refused. Whatever happens, nothing is changed."""
    allowed: list[dict[str, object]] = []
    for table in tables:
        for statement in await _statements(connection, table):
            outcome = await _try(connection, statement)
            if outcome is not None:
                allowed.append({"statement": statement.as_string(connection), "outcome": outcome})
    return allowed


async def _statements(connection: psycopg.AsyncConnection[Any], table: str) -> list[sql.Composed]:
    """None of them touches a row: what is asked is only whether they may run."""
    cursor = await connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum", (table,)
    )
    columns = [sql.Identifier(name) for (name,) in await cursor.fetchall()]
    await connection.rollback()
    name = sql.Identifier(table)
    return [
        *(sql.SQL("UPDATE {} SET {column} = {column} WHERE false").format(name, column=column) for column in columns),
        sql.SQL("DELETE FROM {} WHERE false").format(name),
        sql.SQL("TRUNCATE {}").format(name),
    ]


async def _try(connection: psycopg.AsyncConnection[Any], statement: sql.Composed) -> str | None:
    """How it went, where it was not refused for lack of rights."""
    try:
        # A right to TRUNCATE would make it wait for everybody: rather not know than stand in the way.
        await connection.execute("SET LOCAL lock_timeout = '200ms'")
        await connection.execute(statement)
    except errors.InsufficientPrivilege:
        return None
    except psycopg.Error as error:
        return str(error)
    finally:
        await connection.rollback()
    return "allowed"
