"""Pages of text and tables as PDF. Arabic letters are joined and run from right to left, and so do the columns."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from fpdf import FPDF
from fpdf.enums import Align, TextDirection
from msgspec import Struct

from holdfast.common.language import Language, language_of

_FONT = "Amiri"
_TITLE_PT = 17.0
_GAP_MM = 3.0


class Table(Struct, frozen=True):
    """The columns of a table with their widths in millimetres. Those from ``numbers_from`` on are numbers, which stand at the right."""

    columns: Sequence[str]
    widths_mm: Sequence[float]
    numbers_from: int


class Row(Struct, frozen=True):
    """One line of a table."""

    cells: Sequence[str]
    is_bold: bool = False


class Paper(FPDF):
    """A4 pages in one language, numbered. Takes its time: fill it in a thread."""

    def __init__(self, language: Language, page_word: str, *, body_pt: float, line_mm: float, is_landscape: bool = False) -> None:
        super().__init__(orientation="landscape" if is_landscape else "portrait", format="A4")
        self._page_word = page_word
        self._body_pt = body_pt
        self._line_mm = line_mm
        self._is_from_right = language is Language.AR
        self._start = Align.R if self._is_from_right else Align.L
        for style, name in (("", "Amiri-Regular.ttf"), ("B", "Amiri-Bold.ttf")):
            self.add_font(_FONT, style, _font(name))
        self.add_page()

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font(_FONT, "", self._body_pt)
        self._put(0, f"{self._page_word} {self.page_no()}", align=Align.C)

    def put_title(self, text: str) -> None:
        self.set_font(_FONT, "B", _TITLE_PT)
        self._say([(self.epw, text)], 2 * self._line_mm)

    def put_heading(self, text: str) -> None:
        self.set_font(_FONT, "B", self._body_pt + 2)
        self._say([(self.epw, text)], 2 * self._line_mm)

    def put_fact(self, label: str, value: str = "") -> None:
        """A label and what it is the label of, each in its own direction."""
        self.set_font(_FONT, "", self._body_pt)
        width = self.get_string_width(label) + _GAP_MM
        self._say([(width, label), (self.epw - width, value)], self._line_mm)

    def put_table(self, table: Table, rows: Iterable[Row]) -> None:
        """The rows below their columns, which are said again on each page."""
        header = Row(table.columns, is_bold=True)
        self._row(table, header, is_filled=True)
        for row in rows:
            if self.will_page_break(self._line_mm):
                self.add_page()
                self._row(table, header, is_filled=True)
            self._row(table, row)

    def _say(self, cells: Sequence[tuple[float, str]], height: float) -> None:
        for width, text in reversed(cells) if self._is_from_right else cells:
            self._put(width, text, align=self._start, height=height)
        self.ln(height)

    def _row(self, table: Table, row: Row, *, is_filled: bool = False) -> None:
        self.set_font(_FONT, "B" if row.is_bold else "", self._body_pt)
        self.set_fill_color(235)
        columns = list(enumerate(zip(row.cells, table.widths_mm, strict=True)))
        for place, (text, width) in reversed(columns) if self._is_from_right else columns:
            align = Align.R if place >= table.numbers_from else self._start
            self._put(width, text, align=align, border="B", is_filled=is_filled)
        self.ln(self._line_mm)

    def _put(
        self,
        width: float,
        text: str,
        *,
        align: Align,
        height: float | None = None,
        border: Literal["B", 0] = 0,
        is_filled: bool = False,
    ) -> None:
        # Dates, ids and numbers below zero run from left to right on an Arabic page too: turned round, they would be others.
        direction = TextDirection.RTL if language_of(text) is Language.AR else TextDirection.LTR
        self.set_text_shaping(use_shaping_engine=True, direction=direction)
        self.cell(width, height or self._line_mm, text, border=border, align=align, fill=is_filled)


@cache
def _font(name: str) -> str:
    return str(files("fontpkg_amiri").joinpath("files", name))
