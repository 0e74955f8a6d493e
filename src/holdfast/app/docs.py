"""The reference pages that are made from the code and the database, so that they are never wrong: settings, schema, errors, states."""

import importlib
import pkgutil
import re
import string
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import annotated_types
import psycopg
from psycopg.rows import dict_row
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import holdfast
from holdfast.app.embedded import Home, PostgresServer, postgres_programs
from holdfast.app.migration import migrate
from holdfast.app.running import CHECKOUT
from holdfast.common.errors import Refusal
from holdfast.common.machine import Machine
from holdfast.config import DEVELOPMENT_SECRET, Settings
from holdfast.database.base import Base

DIRECTORY = CHECKOUT / "docs" / "reference"
_MADE = "<!-- Made by `./holdfast docs` from the code. Change the code, then run it again. -->"
Row = Mapping[str, Any]


def regenerate(*, write: bool, owner_url: str | None = None) -> list[str]:
    """The pages that are not as they should be, by name; ``write`` makes them so.

    ``owner_url`` is a migrated database to describe; without one a PostgreSQL is started for the purpose.
    """
    pages = {"settings.md": settings_page(), "errors.md": errors_page(), "states.md": states_page()}
    if owner_url is not None:
        pages["schema.md"] = schema_page(owner_url)
    else:
        with tempfile.TemporaryDirectory(prefix="holdfast-docs-") as directory:
            # As root, PostgreSQL runs as nobody and must get in.
            Path(directory).chmod(0o711)
            pages["schema.md"] = _page_of_a_new_database(Path(directory))
    stale = []
    for name, text in pages.items():
        path = DIRECTORY / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(f"docs/reference/{name}")
            if write:
                DIRECTORY.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    return stale


def settings_page() -> str:
    """Every setting: its variable, default, bounds and meaning."""
    rows = [
        (f"`{field.alias}`", _default(field), " ".join([field.description or "", _bounds(field)]).strip())
        for field in Settings.model_fields.values()
    ]
    return _page(
        "Settings",
        "Set them in the environment, or in a file `.env` in the working directory; the environment wins."
        " `holdfast up` sets the database, Redis, the sandbox gateway and the secrets by itself where you do not.",
        _table(("Variable", "Default", "Meaning"), rows),
    )


def errors_page() -> str:
    """Every refusal: its code, status and message."""
    rows = {
        (f"`{refusal.code}`", str(refusal.status), _facts_as_words(refusal.template()), f"`{refusal.__module__.removeprefix('holdfast.')}`")
        for refusal in _all_subclasses(Refusal)
    }
    return _page(
        "Errors",
        "Every refusal is an `application/problem+json` (RFC 9457) whose `type` is `urn:holdfast:problem:` and the code."
        " Codes are stable; messages may get better, and are translated."
        " Words in braces are filled in, and are members of the problem too.",
        _table(("Code", "Status", "Message", "Defined in"), sorted(rows)),
    )


def states_page() -> str:
    """Every machine: its states, its moves, and how each other move is refused."""
    machines = {
        machine.name: machine
        for module in _all_modules()
        if module.__name__.endswith(".states")
        for machine in vars(module).values()
        if isinstance(machine, Machine)
    }
    return _page(
        "States",
        "States move only as these tables say. The same tables are the code: the services ask them, and a test walks every pair of states.",
        *(_machine_section(machine) for _, machine in sorted(machines.items())),
    )


def schema_page(owner_url: str) -> str:
    """Every table and view of a migrated database."""
    with psycopg.connect(owner_url, row_factory=dict_row) as connection:
        tables = connection.execute(_TABLES.replace("OURS", _OURS)).fetchall()
        columns = _by_table(connection.execute(_COLUMNS.replace("OURS", _OURS)).fetchall())
        constraints = _by_table(connection.execute(_CONSTRAINTS.replace("OURS", _OURS)).fetchall())
        indexes = _by_table(connection.execute(_INDEXES.replace("OURS", _OURS)).fetchall())
        grants = _by_table(connection.execute(_GRANTS.replace("OURS", _OURS)).fetchall())
    enums = [
        (f"`{name}.{column}`", ", ".join(f"`{value}`" for value in values))
        for name, found in sorted(constraints.items())
        for column, values in _enums(found)
    ]
    meanings = _meanings()
    sections = [
        _table_section(
            meanings.get(table["name"]),
            table,
            columns[table["name"]],
            constraints[table["name"]],
            indexes[table["name"]],
            grants[table["name"]],
        )
        for table in tables
    ]
    return _page(
        "Schema",
        "As the migrations make it. Ids are UUIDv7 made by the program; times are `timestamptz`; amounts are integers in the minor"
        " unit of the currency beside them. What is *granted* is what the program, whose role is `holdfast_app`, may do: no more."
        " Tables of the job queue (`procrastinate_*`) belong to Procrastinate and are described in its documentation.",
        "## How tables refer to each other",
        _diagram(columns, constraints),
        "## Enums",
        "Text columns whose values a CHECK lists.",
        _table(("Column", "Values"), enums),
        "## Tables and views",
        *sections,
    )


def _page_of_a_new_database(directory: Path) -> str:
    with Home(directory / "data") as home:
        postgres = PostgresServer(
            home.path / "postgres", home.sockets, home.secrets, programs=postgres_programs(home.account), account=home.account
        )
        try:
            postgres.start(home.path / "postgres.out")
            migrate(postgres.owner_url)
            return schema_page(postgres.owner_url)
        finally:
            postgres.stop()


def _page(title: str, about: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", _MADE, about, *sections]) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _default(field: FieldInfo) -> str:
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    if value == DEVELOPMENT_SECRET:
        return "a secret for development"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`" if value != "" else "empty"


def _bounds(field: FieldInfo) -> str:
    least = next((str(bound.ge) for bound in field.metadata if isinstance(bound, annotated_types.Ge)), None)
    most = next((str(bound.le) for bound in field.metadata if isinstance(bound, annotated_types.Le)), None)
    return f"({least} to {most})" if least is not None and most is not None else ""


def _facts_as_words(template: str) -> str:
    return "".join(text + (f"{{{name}}}" if name is not None else "") for text, name, _, _ in string.Formatter().parse(template))


def _all_modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def _all_subclasses(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    if kind is Refusal:
        list(_all_modules())
    for subclass in kind.__subclasses__():
        if subclass.__module__.startswith("holdfast."):
            yield subclass
        yield from _all_subclasses(subclass)


def _machine_section(machine: Machine[StrEnum]) -> str:
    lines = [f"    [*] --> {machine.initial}", *(f"    {move.start} --> {move.end}" for move in machine.moves)]
    states: list[StrEnum] = list(type(machine.initial))
    refused = []
    for start, refusal in ((state, machine.refusals.get(state)) for state in states):
        ends = [f"`{end}`" for end in states if end != start and not machine.allows(start, end)]
        if refusal is not None and ends:
            refused.append((f"`{start}`", ", ".join(ends), f"`{refusal.code}` ({refusal.status})"))
    return "\n\n".join(
        [
            f"## {machine.name[:1].upper()}{machine.name[1:]}",
            "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"]),
            _table(("From", "To", "By"), [(f"`{move.start}`", f"`{move.end}`", move.by) for move in machine.moves]),
            "Refused, where somebody asks for it:",
            _table(("From", "To", "Refusal"), refused),
        ]
    )


def _by_table(rows: Sequence[Row]) -> defaultdict[str, list[Row]]:
    return defaultdict(list, {name: list(found) for name, found in groupby(rows, key=lambda row: row["table"])})


def _enums(constraints: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
    for constraint in constraints:
        listed = re.fullmatch(r"CHECK \(\((\w+) = ANY \(ARRAY\[(.+)\]\)\)\)", constraint["definition"])
        if listed:
            yield listed[1], re.findall(r"'([^']*)'::text", listed[2])


def _diagram(columns: Mapping[str, Sequence[Row]], constraints: Mapping[str, Sequence[Row]]) -> str:
    references = [(table, found) for table, rows in sorted(constraints.items()) for found in rows if found["kind"] == "f"]
    drawn = sorted({table for table, _ in references} | {found["refers_to"] for _, found in references})
    lines = []
    for table in drawn:
        keys = {column: "PK" for found in constraints[table] if found["kind"] == "p" for column in found["columns"]}
        for found in (row for row in constraints[table] if row["kind"] == "f"):
            for column in found["columns"]:
                keys[column] = "PK, FK" if keys.get(column) == "PK" else "FK"
        types = {row["name"]: row["type"].split("(")[0].replace(" ", "_") for row in columns[table]}
        lines += [f"    {table} {{", *(f"        {types[column]} {column} {key}" for column, key in keys.items()), "    }"]
    for table, found in references:
        nullable = any(row["name"] in found["columns"] and row["nullable"] for row in columns[table])
        lines.append(f'    {found["refers_to"]} {"|o" if nullable else "||"}--o{{ {table} : "{", ".join(found["columns"])}"')
    return "\n".join(["```mermaid", "erDiagram", *lines, "```"])


def _meanings() -> dict[str, str]:
    """What each table is, in the words of its class."""
    list(_all_modules())
    documented = {mapper.local_table.description: mapper.class_.__doc__ for mapper in Base.registry.mappers}
    return {name: " ".join(words.split("\n\n")[0].split()) for name, words in documented.items() if words}


def _table_section(
    meaning: str | None, table: Row, columns: Sequence[Row], constraints: Sequence[Row], indexes: Sequence[Row], grants: Sequence[Row]
) -> str:
    noted = any(row["comment"] for row in columns)
    header = ("Column", "Type", "Null", "Default", *(("Meaning",) if noted else ()))
    rows = [
        (
            f"`{row['name']}`",
            row["type"].replace("timestamp with time zone", "timestamptz"),
            "yes" if row["nullable"] else "no",
            f"`{row['default']}`" if row["default"] else "",
            *((row["comment"] or "",) if noted else ()),
        )
        for row in columns
    ]
    parts = [f"### {table['name']}"]
    if meaning or table["comment"]:
        parts.append(meaning or table["comment"])
    if table["partition_key"]:
        parts.append(f"Partitioned by {table['partition_key']}, a partition for each month.")
    parts.append(_table(header, rows))
    if table["kind"] == "v":
        parts.append(f"A view:\n\n```sql\n{table['definition'].strip()}\n```")
    facts = [f"- `{row['name']}`: {_sql(row['definition'])}" for row in constraints]
    facts += [f"- `{row['name']}`: {_sql(row['definition'])}" for row in indexes]
    if facts:
        parts.append("\n".join(facts))
    parts.append(f"Granted: {', '.join(row['privilege'] for row in grants) or 'nothing'}.")
    return "\n\n".join(parts)


def _sql(text: str) -> str:
    return f"`{' '.join(text.split())}`"


_OURS = "n.nspname = 'public' AND NOT c.relispartition AND c.relname !~ '^(procrastinate_|alembic_|test_clock)'"

_TABLES = """
    SELECT c.relname AS name, c.relkind::text AS kind, obj_description(c.oid, 'pg_class') AS comment,
           pg_get_partkeydef(c.oid) AS partition_key, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid, true) END AS definition
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE OURS AND c.relkind IN ('r', 'p', 'v')
     ORDER BY 1
"""

_COLUMNS = """
    SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
           pg_get_expr(d.adbin, d.adrelid) AS default, col_description(c.oid, a.attnum) AS comment
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE OURS AND c.relkind IN ('r', 'p', 'v')
     ORDER BY 1, a.attnum
"""

_CONSTRAINTS = """
    SELECT c.relname AS table, k.conname AS name, k.contype::text AS kind, pg_get_constraintdef(k.oid) AS definition,
           coalesce(k.confrelid::regclass::text, '') AS refers_to,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number ORDER BY u.place) AS columns
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE OURS AND k.contype IN ('p', 'u', 'f', 'c', 'x') AND k.conparentid = 0
     ORDER BY 1, position(k.contype::text IN 'pufcx'), 2
"""

_INDEXES = """
    SELECT c.relname AS table, i.relname AS name, regexp_replace(pg_get_indexdef(x.indexrelid), 'public[.]|ONLY ', '', 'g') AS definition
      FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE OURS AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
     ORDER BY 1, 2
"""

_GRANTS = """
    SELECT c.relname AS table, g.privilege_type AS privilege
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS g
     WHERE OURS AND c.relkind IN ('r', 'p', 'v') AND g.grantee = 'holdfast_app'::regrole
     ORDER BY 1, position(left(g.privilege_type, 3) IN 'SEL INS UPD DEL')
"""
