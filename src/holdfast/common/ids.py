"""Ids: UUIDv7 inside, a TypeID with a prefix that says what it is outside (``bkg_01h455vb4pex5vsknk084sn02q``).

The text form is the TypeID specification, version 0.3: Crockford's base 32, lower case, 26 digits for 128 bits.
"""

import os
import re
import time
from typing import ClassVar, Self
from uuid import UUID, SafeUUID

from holdfast.common.errors import NotFound

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_TO_PYTHON = str.maketrans(_DIGITS, "0123456789abcdefghijklmnopqrstuv")
_PAIRS = tuple(first + second for first in _DIGITS for second in _DIGITS)
_TYPE_ID = re.compile(rf"([a-z](?:[a-z_]*[a-z])?)_([0-7][{_DIGITS}]{{25}})")


class _Randomness:
    """80 random bits at a time from a supply, because asking the operating system is a system call. Threads may share it."""

    def __init__(self) -> None:
        self._left: list[int] = []
        # A child would otherwise make the ids that its parent makes.
        os.register_at_fork(after_in_child=self._left.clear)

    def take(self) -> int:
        try:
            return self._left.pop()
        except IndexError:
            fresh = os.urandom(4_000)
            self._left += [int.from_bytes(fresh[start : start + 10]) for start in range(10, len(fresh), 10)]
            return int.from_bytes(fresh[:10])


_randomness = _Randomness()


class MalformedId(ValueError):
    """A text that is no id of any kind. The edge says in which parameter it stood."""

    def __init__(self, text: str, prefix: str) -> None:
        self.text = text
        super().__init__(f"Expected an id such as {prefix}_01h455vb4pex5vsknk084sn02q")


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
        random = _randomness.take()
        bits = milliseconds << 80 | 0x7 << 76 | (random >> 68) << 64 | 0b10 << 62 | random & (1 << 62) - 1
        return cls._of_bits(bits)

    @classmethod
    def of(cls, other: UUID) -> Self:
        """The same bits as an id of this kind."""
        return cls._of_bits(other.int)

    @classmethod
    def _of_bits(cls, bits: int) -> Self:
        """What ``cls(int=bits)`` makes, without its looking for other ways to say the same: there are a dozen ids in a hold."""
        made = object.__new__(cls)
        object.__setattr__(made, "int", bits)
        object.__setattr__(made, "is_safe", SafeUUID.unknown)
        return made

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the outside form. Raises MalformedId, a ValueError, where it is malformed, NotFound where it names another kind of thing."""
        found = _TYPE_ID.fullmatch(text)
        if found is None:
            raise MalformedId(text, cls.prefix)
        if found[1] != cls.prefix:
            raise NotFound
        # Crockford's digits leave out i, l, o and u; Python's base 32 takes the letters in a row.
        return cls._of_bits(int(found[2].translate(_TO_PYTHON), 32))

    def __str__(self) -> str:
        bits = self.int
        return f"{self.prefix}_" + "".join([_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])

    def __repr__(self) -> str:
        return str(self)


def first_id_of(milliseconds: int) -> UUID:
    """The smallest UUIDv7 of a millisecond since 1970: the bound of a partition by month."""
    return UUID(int=milliseconds << 80)
