"""The page of requirements names nothing that is not there: columns, paths, messages, keys, files and tests."""

import ast
import re
from functools import cache

import psycopg
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from tests.docs.pages import ROOT, spans

from holdfast.app.wiring import build_program
from holdfast.config import Settings

PAGE = ROOT / "docs" / "reference" / "requirements.md"
READINESS = ROOT / "docs" / "production-readiness.md"
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_COLUMN = re.compile(r"[a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*")
_ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S+)")
_FILE_ENDINGS = ("py", "sql", "md", "sh", "toml", "yaml", "yml", "txt", "in", "po", "json", "svg")


@pytest.mark.parametrize("page", [PAGE, READINESS], ids=["requirements", "readiness"])
def test_tests_that_are_named_exist(page: object) -> None:
    assert page in (PAGE, READINESS)
    named = {span for span in spans(PAGE if page is PAGE else READINESS) if span.startswith("tests/") and "::" in span}
    assert named
    assert sorted(name for name in named if not _is_a_test(name)) == []


def _is_a_test(name: str) -> bool:
    found = _TEST.fullmatch(name)
    return found is not None and found[2] in _tests_of(found[1])


@cache
def _tests_of(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.exists():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_columns_that_are_named_exist(owner_url: str) -> None:
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'").fetchall()
    columns = {f"{table}.{column}" for table, column in rows}
    relations = {table for table, _ in rows}
    named = {span for span in spans(PAGE) if _COLUMN.fullmatch(span) and not span.endswith(tuple(f".{end}" for end in _FILE_ENDINGS))}
    assert len(named & columns) > 60
    assert sorted(name for name in named if name.partition(".")[0] in relations and name not in columns) == []


def test_paths_that_are_named_are_served() -> None:
    program = build_program(Settings(database_url="postgresql://nobody@127.0.0.1:1/none"))
    app = Litestar([*program.routers, *program.root_routers], openapi_config=None)
    served = {
        (method, _plain(route.path)) for route in app.routes if isinstance(route, HTTPRoute) for method in route.methods if method != "OPTIONS"
    }
    named = {(found[1], _plain(found[2])) for span in spans(PAGE) if (found := _ROUTE.fullmatch(span))}
    assert len(named) > 25
    assert sorted(named - served) == []


def _plain(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"
