"""The page of requirements names nothing that is not there: columns, paths, messages, keys, files and tests."""

import ast
import re
from functools import cache
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.docs.pages import ROOT, name_of, spans

from holdfast.app.http import BASE_PATH, create_app
from holdfast.app.settings import load_settings
from holdfast.app.wiring import build_program

PAGE = ROOT / "docs" / "reference" / "requirements.md"
READINESS = ROOT / "docs" / "production-readiness.md"
_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_COLUMN = re.compile(r"[a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*")
_ROUTE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S+)")
_FILE_ENDINGS = ("py", "sql", "md", "sh", "toml", "yaml", "yml", "txt", "in", "po", "json", "svg")


@pytest.mark.parametrize("page", [PAGE, READINESS], ids=name_of)
def test_tests_that_are_named_exist(page: Path) -> None:
    named = {span for span in spans(page) if span.startswith("tests/") and "::" in span}
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


async def test_paths_that_are_named_are_served() -> None:
    program = build_program(load_settings(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL=""))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=create_app(program)), base_url="http://localhost") as client:
        document = (await client.get(f"{BASE_PATH}/openapi.json")).json()
    served = {
        (method.upper(), _plain(path.removeprefix(BASE_PATH))) for path, operations in document["paths"].items() for method in operations
    }
    named = {(found[1], _plain(found[2])) for span in spans(PAGE) if (found := _ROUTE.fullmatch(span))}
    assert len(named) > 25
    assert sorted(named - served) == []


def _plain(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"
