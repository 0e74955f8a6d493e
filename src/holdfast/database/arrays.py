"""Lists as PostgreSQL's array literals, written in one go. psycopg asks each element for its adapter: a batch has forty lists."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID


def quickened(parameters: Mapping[str, object]) -> Mapping[str, object]:
    """Parameters of a statement, with lists of one plain type as literals; PostgreSQL reads their type from the statement."""
    return {name: array_literal(value) if type(value) is list else value for name, value in parameters.items()}


def array_literal(values: list[Any]) -> object:
    """The text of an array (PostgreSQL, "Array Input and Output Syntax"); the list itself where it is not of one plain type."""
    if not values:
        return "{}"
    kind = type(values[0])
    write = _WRITERS.get(UUID if issubclass(kind, UUID) else kind)
    if write is None or any(type(value) is not kind for value in values):
        return values
    return write(values)


def _uuids(values: list[UUID]) -> str:
    return "{" + ",".join([f"{value.int:032x}" for value in values]) + "}"


def _numbers(values: list[int]) -> str:
    return "{" + ",".join([str(value) for value in values]) + "}"


def _texts(values: list[str]) -> object:
    return '{"' + '","'.join([value.replace("\\", "\\\\").replace('"', '\\"') for value in values]) + '"}'


def _bytes(values: list[bytes]) -> str:
    return '{"' + '","'.join(["\\\\x" + value.hex() for value in values]) + '"}'


def _instants(values: list[datetime]) -> object:
    if any(value.tzinfo is None for value in values):
        # Without a zone the server would take it for its own.
        return values
    return '{"' + '","'.join([value.isoformat() for value in values]) + '"}'


_WRITERS: Final[Mapping[type, Callable[[list[Any]], object]]] = {
    UUID: _uuids,
    int: _numbers,
    str: _texts,
    bytes: _bytes,
    datetime: _instants,
}
