"""The models describe the tables that the migrations make: the two are written apart, so this compares them."""

import importlib
import re
from collections.abc import Iterator
from enum import StrEnum

import psycopg
import pytest
from psycopg.rows import tuple_row
from sqlalchemy import CheckConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex
from tests.docs.pages import SOURCE

from holdfast.common.actor import Role
from holdfast.database.base import Base

_NOT_OURS = ("alembic_version", "test_clock_offset")

_LISTED = re.compile(r"\w+ IN \(([^)]*)\)")
_VALUE = re.compile(r"'([^']+)'")

Row = tuple[object, ...]


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    for path in sorted(SOURCE.rglob("models.py")):
        importlib.import_module(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts))
    return dict(Base.metadata.tables)


@pytest.fixture
def ask(owner_url: str) -> Iterator[psycopg.Cursor[Row]]:
    with psycopg.connect(owner_url) as connection, connection.cursor(row_factory=tuple_row) as cursor:
        yield cursor


def test_tables(tables: dict[str, Table], ask: psycopg.Cursor[Row]) -> None:
    found = ask.execute("""
        SELECT relname FROM pg_class
         WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'procrastinate%%'
    """).fetchall()
    assert sorted({str(name) for (name,) in found} - {*_NOT_OURS}) == sorted(tables)


def test_columns(tables: dict[str, Table], ask: psycopg.Cursor[Row]) -> None:
    found = ask.execute(
        """
        SELECT c.relname, a.attname, upper(format_type(a.atttypid, a.atttypmod)), a.attnotnull, a.atthasdef
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
         WHERE c.relname = ANY(%s) AND a.attnum > 0 AND NOT a.attisdropped
        """,
        (list(tables),),
    ).fetchall()
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    described = {
        (
            table.name,
            column.name,
            column.type.compile(dialect).upper(),
            not column.nullable,
            column.server_default is not None or column.computed is not None,
        )
        for table in tables.values()
        for column in table.columns
    }
    assert sorted({*found} ^ described) == []


def test_constraints(tables: dict[str, Table], ask: psycopg.Cursor[Row]) -> None:
    found = ask.execute(
        """
        SELECT c.relname, CASE WHEN k.contype IN ('c', 'u') THEN k.conname
                               ELSE (SELECT string_agg(a.attname, ',' ORDER BY a.attname) FROM pg_attribute a
                                      WHERE a.attrelid = c.oid AND a.attnum = ANY(k.conkey)) END,
               k.contype::text, coalesce(k.confrelid::regclass::text, '-')
          FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
         WHERE c.relname = ANY(%s) AND k.contype IN ('c', 'u', 'p', 'f')
        """,
        (list(tables),),
    ).fetchall()
    described = {each for table in tables.values() for each in _constraints(table)}
    assert sorted({*found} ^ described) == []


def _constraints(table: Table) -> Iterator[Row]:
    yield table.name, ",".join(sorted(column.name for column in table.primary_key)), "p", "-"
    for key in table.foreign_key_constraints:
        yield table.name, ",".join(sorted(key.column_keys)), "f", key.referred_table.name
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint):
            yield table.name, str(constraint.name), "c", "-"
        elif isinstance(constraint, UniqueConstraint):
            yield table.name, _name(constraint), "u", "-"


def _name(constraint: UniqueConstraint) -> str:
    """Also one that the naming convention gives."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    named = dialect.identifier_preparer.format_constraint(constraint)
    assert named is not None
    return str(named)


def test_indexes(tables: dict[str, Table], ask: psycopg.Cursor[Row]) -> None:
    found = ask.execute(
        """
        SELECT t.relname, i.relname, x.indisunique, x.indpred IS NOT NULL,
               (SELECT string_agg(replace(pg_get_indexdef(i.oid, n, true), '"', ''), ', ' ORDER BY n)
                  FROM generate_series(1, x.indnkeyatts) AS n)
          FROM pg_index x
          JOIN pg_class i ON i.oid = x.indexrelid
          JOIN pg_class t ON t.oid = x.indrelid
         WHERE t.relname = ANY(%s) AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u'))
        """,
        (list(tables),),
    ).fetchall()
    described = {
        (table.name, index.name, bool(index.unique), index.dialect_options["postgresql"]["where"] is not None, _columns(index))
        for table in tables.values()
        for index in table.indexes
    }
    assert sorted({*found} ^ described) == []


def _columns(index: Index) -> str:
    text = str(CreateIndex(index).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    return text[text.index("(") + 1 : text.index(")")]


def test_enums(tables: dict[str, Table]) -> None:
    """The values that a CHECK lists are those of an enum of the program."""
    enums = [frozenset(member.value for member in enum) for enum in StrEnum.__subclasses__() if enum.__module__.startswith("holdfast.")]
    unknown = []
    for table in tables.values():
        for constraint in table.constraints:
            listed = _LISTED.fullmatch(str(constraint.sqltext)) if isinstance(constraint, CheckConstraint) else None
            if listed is not None:
                values = frozenset(_VALUE.findall(listed[1]))
                # The program itself acts, and nobody signs in as it.
                if values not in enums and values | {Role.SYSTEM} not in enums:
                    unknown.append((table.name, constraint.name))
    assert unknown == []
