"""Statements with a name and a promise: ``queries.sql`` beside each repository, read once at import."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import LiteralString

_NAME = re.compile(r"^-- name: (?P<name>[a-z_0-9]+)$", re.MULTILINE)
# A colon that is neither part of a cast (::text) nor of a literal time (12:30).
_PARAMETER = re.compile(r"(?<![:\w]):(?P<name>[a-z_][a-z_0-9]*)")


class Query:
    """One named statement, in the form that psycopg sends. Parameters are written ``:name`` in the file."""

    __slots__ = ("name", "promise", "text")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        lines = source.strip().splitlines()
        promise = [line.removeprefix("--").strip() for line in lines if line.startswith("--")]
        self.promise = " ".join(promise)
        body = "\n".join(line for line in lines if not line.startswith("--"))
        text = _PARAMETER.sub(r"%(\g<name>)s", body.replace("%", "%%")).strip().rstrip(";")
        # The text comes from a file of ours, never from a request.
        self.text: LiteralString = text  # type: ignore[assignment, unused-ignore]

    def __repr__(self) -> str:
        return f"Query({self.name})"


def read_queries(source: str) -> dict[str, Query]:
    """All statements of the text of a ``queries.sql``."""
    names = list(_NAME.finditer(source))
    ends = [match.start() for match in names[1:]] + [len(source)]
    return {match["name"]: Query(match["name"], source[match.end() : end]) for match, end in zip(names, ends, strict=True)}


class Queries:
    """Statements as attributes. A test sees to it that every name in the program exists, and that every statement is used."""

    def __init__(self, found: Mapping[str, Query]) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Query:
        try:
            return self._found[name]
        except KeyError:
            raise AttributeError(name) from None


def queries(module_file: str) -> Queries:
    """The statements of the ``queries.sql`` beside a module: ``SQL = queries(__file__)``."""
    return Queries(read_queries(Path(module_file).with_name("queries.sql").read_text(encoding="utf-8")))
