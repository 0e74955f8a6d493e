"""Named statements are read as they are written."""

import re
from pathlib import Path

import pytest

from holdfast.database.queries import read_queries

LINES_THAT_TAKE_READING = 5
SOURCES = sorted(Path("src/holdfast").rglob("queries.sql"))


def test_names_promises_and_parameters() -> None:
    found = read_queries(
        "-- name: first\n-- What it promises.\n-- In two lines.\nSELECT :id::uuid, '12:30', a % b FROM t WHERE x = :x_y;\n\n"
        "-- name: second\n-- Two.\nSELECT 2;\n"
    )
    assert list(found) == ["first", "second"]
    assert found["first"].promise == "What it promises. In two lines."
    assert found["first"].text == "SELECT %(id)s::uuid, '12:30', a %% b FROM t WHERE x = %(x_y)s"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.name)
def test_every_statement_that_takes_reading_says_what_it_promises(source: Path) -> None:
    for query in read_queries(source.read_text(encoding="utf-8")).values():
        assert query.promise or len(query.text.splitlines()) < LINES_THAT_TAKE_READING, f"{source}: {query.name} promises nothing"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.name)
def test_every_statement_is_used_and_every_used_one_exists(source: Path) -> None:
    written = set(read_queries(source.read_text(encoding="utf-8")))
    code = "\n".join(path.read_text(encoding="utf-8") for path in source.parent.glob("*.py"))
    used = set(re.findall(r"\bSQL\.([a-z_0-9]+)", code))
    assert used <= written
    if "vars(" not in code and "read_queries(" not in code:
        assert written <= used
