"""A file of a feed row by row. What cannot be read is noted by line, and reading goes on."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence

from holdfast.routes.gtfs.faults import Faults
from holdfast.routes.gtfs.source import UNREADABLE, Source

LINE_BYTES_MAX = 1 << 20
TEXT_LENGTH_MAX = 200
_UNPRINTABLE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TIME = re.compile(r"(\d{1,3}):([0-5]\d):([0-5]\d)")
_WHOLE = re.compile(r"\d{1,9}")
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{0,30})?|[+-]?\.\d{1,30}")

Progress = Callable[[int], None]
"""Told how many bytes were read since the last time."""


class Row:
    """One row. Each question notes a fault where the answer is not what it should be, and answers None."""

    __slots__ = ("_cells", "_faults", "_file", "line")

    def __init__(self, file: str, line: int, cells: dict[str, str], faults: Faults) -> None:
        self._file = file
        self._cells = cells
        self._faults = faults
        self.line = line

    def fault(self, message: str) -> None:
        self._faults.note(self._file, self.line, message)

    def text(self, name: str) -> str:
        """Empty where it is empty or there is no such column."""
        found = self._cells.get(name, "")
        if len(found) > TEXT_LENGTH_MAX:
            self.fault(f"{name} is longer than {TEXT_LENGTH_MAX} characters")
            return found[:TEXT_LENGTH_MAX]
        return found

    def needed(self, name: str) -> str | None:
        """A text that must not be empty."""
        found = self.text(name)
        if not found:
            self.fault(f"{name} is empty")
            return None
        return found

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number that must be there."""
        found = self.needed(name)
        if found is None:
            return None
        if not _NUMBER.fullmatch(found) or not found.isascii():
            self.fault(f"{name} {_shown(found)} is no number")
            return None
        value = float(found)
        if not least <= value <= most:
            self.fault(f"{name} {_shown(found)} does not lie between {least:g} and {most:g}")
            return None
        return value

    def whole(self, name: str, default: int | None = None, most: int | None = None) -> int | None:
        """A whole number from 0. Without a default it must be there."""
        found = self.text(name)
        if not found and default is not None:
            return default
        if not found:
            self.fault(f"{name} is empty")
            return None
        if not _WHOLE.fullmatch(found) or not found.isascii():
            self.fault(f"{name} {_shown(found)} is no whole number")
            return None
        value = int(found)
        if most is not None and value > most:
            self.fault(f"{name} {_shown(found)} is more than {most}")
            return None
        return value

    def time(self, name: str, *, needed: bool = True) -> int | None:
        """Seconds after the midnight at which the day of service begins: 25:30:00 is half past one at night."""
        found = self.text(name)
        if not found and not needed:
            return None
        if not found:
            self.fault(f"{name} is empty")
            return None
        parts = _TIME.fullmatch(found)
        if parts is None or not found.isascii():
            self.fault(f"{name} {_shown(found)} is no time such as 25:30:00")
            return None
        return int(parts[1]) * 3600 + int(parts[2]) * 60 + int(parts[3])


class Reading:
    """Reads the files of one feed and collects what is wrong with them."""

    def __init__(self, source: Source, faults: Faults, progress: Progress) -> None:
        self.faults = faults
        self._source = source
        self._progress = progress

    def has(self, file: str) -> bool:
        return self._source.size(file) is not None

    def rows(self, file: str, needed: Sequence[str]) -> Iterator[Row]:
        """The rows of a file that has these columns, and any others. Nothing, and a fault, where it cannot be read."""
        records = self._records(file)
        header = next(records, None)
        if header is None:
            self.faults.note(file, 0, "the file is empty")
            return
        line, columns = header
        columns = [column.strip() for column in columns]
        missing = [name for name in needed if name not in columns]
        for name in missing:
            self.faults.note(file, line, f"there is no column {name}")
        for name in sorted({name for name in columns if columns.count(name) > 1}):
            self.faults.note(file, line, f"there are two columns {_shown(name)}")
        if missing:
            return
        for line, cells in records:
            if len(cells) != len(columns):
                self.faults.note(file, line, f"the row has {len(cells)} fields, the header has {len(columns)}")
            else:
                yield Row(file, line, dict(zip(columns, map(str.strip, cells), strict=True)), self.faults)

    def _records(self, file: str) -> Iterator[tuple[int, list[str]]]:
        """Each record that can be told apart, with the line in which it begins. Empty lines are passed over."""
        reader = csv.reader(self._lines(file), strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.faults.note(file, line, f"the row cannot be read as CSV: {error}")
                continue
            if cells and cells != [""]:
                yield line, cells

    def _lines(self, file: str) -> Iterator[str]:
        number = 0
        try:
            with self._source.open(file) as content:
                while raw := content.readline(LINE_BYTES_MAX + 1):
                    number += 1
                    self._progress(len(raw))
                    if len(raw) > LINE_BYTES_MAX:
                        self.faults.note(
                            file, number, f"the line is longer than {LINE_BYTES_MAX:,} bytes: the rest of the file was not read"
                        )
                        return
                    yield self._decoded(file, number, raw)
        except UNREADABLE as error:
            self.faults.note(file, number, f"the file cannot be read any further: {error}")

    def _decoded(self, file: str, number: int, raw: bytes) -> str:
        if _UNPRINTABLE.search(raw):
            self.faults.note(file, number, "the line has control characters")
            raw = _UNPRINTABLE.sub(b" ", raw)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            self.faults.note(file, number, f"byte {error.start + 1} of the line is not UTF-8")
            text = raw.decode("utf-8", "replace")
        return text.removeprefix("\ufeff") if number == 1 else text


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}..."'  # noqa: PLR2004 - wide enough to recognise it.
