"""Ids: UUIDv7 inside, a TypeID with a prefix that says what it is outside (``bkg_01h455vb4pex5vsknk084sn02q``).

The text form is the TypeID specification, version 0.3: Crockford's base 32, lower case, 26 digits for 128 bits.
"""

import os
import re
import time
from typing import ClassVar, Self
from uuid import UUID

from holdfast.common.errors import NotFound

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_SUFFIX_LENGTH = 26
_UUID_BITS = 128


class Id(UUID):
    """An id of one kind of thing. Subclasses name the prefix: ``class BookingId(Id, prefix="bkg")``.

    Equal to any UUID with the same bits, so that a hold and its booking, which share one, can be compared.
    """

    __slots__ = ()
    prefix: ClassVar[str]
    kind: ClassVar[str]
    """What the id names, in words: ``BookingId`` names a ``booking``. The log of events and the audit log call it so."""

    def __init_subclass__(cls, *, prefix: str) -> None:
        cls.prefix = prefix
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Id")).lower()

    @classmethod
    def new(cls) -> Self:
        """A fresh UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then 74 random bits."""
        milliseconds = time.time_ns() // 1_000_000
        random = int.from_bytes(os.urandom(10))
        bits = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
        return cls(int=bits)

    @classmethod
    def of(cls, other: UUID) -> Self:
        """The same bits as an id of this kind."""
        return cls(int=other.int)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the outside form. Raises ValueError where it is malformed, NotFound where it names another kind of thing."""
        prefix, separator, suffix = text.rpartition("_")
        if not separator or len(suffix) != _SUFFIX_LENGTH or suffix[0] > "7" or not prefix.isascii() or not prefix.islower():
            raise ValueError(f"Expected an id such as {cls.prefix}_01h455vb4pex5vsknk084sn02q")
        bits = 0
        for digit in suffix:
            value = _VALUES.get(digit)
            if value is None:
                raise ValueError(f"Expected an id such as {cls.prefix}_01h455vb4pex5vsknk084sn02q")
            bits = bits << 5 | value
        if prefix != cls.prefix:
            raise NotFound
        return cls(int=bits)

    def __str__(self) -> str:
        bits = self.int
        return f"{self.prefix}_" + "".join(_DIGITS[bits >> shift & 31] for shift in range(125, -1, -5))

    def __repr__(self) -> str:
        return str(self)


def first_id_of(milliseconds: int) -> UUID:
    """The smallest UUIDv7 of a millisecond since 1970: the bound of a partition by month."""
    return UUID(int=milliseconds << 80)
