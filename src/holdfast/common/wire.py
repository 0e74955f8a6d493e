"""How our own types become JSON and come back: one pair of hooks for the edge, the event log and stored answers."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec

from holdfast.common.ids import Id, MalformedId
from holdfast.common.money import JsonAmount

T = TypeVar("T")


def encode_hook(value: object) -> object:
    """What msgspec calls for a type that it does not know."""
    if isinstance(value, JsonAmount):
        return value.raw()
    raise NotImplementedError(f"no JSON form for {type(value).__name__}")


def decode_hook(wanted: type, value: object) -> object:
    """Ids come as UUIDs from the database and as TypeIDs or hexadecimal UUIDs from JSON."""
    if issubclass(wanted, Id):
        if isinstance(value, UUID):
            return wanted.of(value)
        if isinstance(value, str):
            return wanted.parse(value) if "_" in value else _of_hexadecimal(value, wanted)
        raise MalformedId(repr(value), wanted.prefix)
    raise NotImplementedError(f"no way to read {wanted.__name__}")


def _of_hexadecimal(text: str, wanted: type[Id]) -> Id:
    try:
        return wanted.of(UUID(text))
    except ValueError:
        raise MalformedId(text, wanted.prefix) from None


def stored(value: object) -> bytes:
    """A frozen Struct as it is kept in the database."""
    return msgspec.json.encode(value, enc_hook=encode_hook)


def restored(value: bytes | str, wanted: type[T]) -> T:
    """What ``stored`` wrote, read back."""
    return msgspec.json.decode(value, type=wanted, dec_hook=decode_hook)


def read_row(row: Any, wanted: type[T]) -> T:
    """A row of the database, as a mapping by column name, into a frozen Struct."""
    return msgspec.convert(row, wanted, dec_hook=decode_hook)
