"""Tables as CSV that a spreadsheet opens without running anything (RFC 4180, UTF-8)."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class Number(str):
    """A cell that is a number, which may begin with a minus."""

    __slots__ = ()


def sheet(header: Sequence[str], rows: Iterable[Sequence[str]], *, is_marked: bool = False) -> bytes:
    """A table with its header. A text that a spreadsheet would take for a formula gets an apostrophe in front.

    ``is_marked``: it begins with the mark of UTF-8, which spreadsheets want to see and programs do not.
    """
    written = StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return written.getvalue().encode("utf-8-sig" if is_marked else "utf-8")


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) and not isinstance(cell, Number) else cell
