"""What was cut and what came of it, for people, for programs and for ``docs/explain/crash-points.md``."""

from collections import Counter

import msgspec
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from holdfast.app.crashpoints.cuts import Boundary, Cut
from holdfast.app.crashpoints.run import DONE, REFUSED, Cell, Table

LEFT_OUT = ""
NOT_RUN = "·"
_SHOWN_WRONG_MAX = 20

_Row = tuple[Boundary, list[str]]


def show(console: Console, table: Table) -> None:
    """A table for each flow, what is wrong, and the sum."""
    for flow, rows in _rows(table).items():
        shown = RichTable(title=flow, title_justify="left")
        shown.add_column("", justify="right")
        shown.add_column("boundary", no_wrap=True)
        for cut in Cut:
            shown.add_column(cut.value, no_wrap=True)
        for boundary, outcomes in rows:
            shown.add_row(str(boundary.number), boundary.what, *(Text(each, style=_style(each)) for each in outcomes))
        console.print(shown)
    for cell in table.wrong[:_SHOWN_WRONG_MAX]:
        console.print(Text(f"\n{cell.flow}, {cell.boundary.number} {cell.boundary.what}, {cell.cut.value}", style="bold red"))
        for each in cell.wrong:
            console.print(Text(f"  {each}"))
    console.print(Text(summary(table), style="bold red" if table.wrong else "bold green"))


def as_json(table: Table) -> bytes:
    """The same as one JSON object."""
    return msgspec.json.format(msgspec.json.encode(table))


def as_markdown(table: Table) -> str:
    """The same for the documentation."""
    parts = [summary(table)]
    for flow, rows in _rows(table).items():
        head = ["", "boundary", *(cut.value for cut in Cut)]
        lines = [head, ["---:", "---", *("---" for _ in Cut)]]
        lines += [[str(boundary.number), f"`{boundary.what}`", *outcomes] for boundary, outcomes in rows]
        parts.append("\n".join([f"### {flow}", "", *(f"| {' | '.join(line)} |" for line in lines)]))
    return "\n\n".join(parts)


def summary(table: Table) -> str:
    """How many cells came to what, in how long."""
    counted = Counter("wrong" if cell.wrong else cell.outcome.split(":")[0] for cell in table.cells)
    boundaries = sum(len(found) for found in table.boundaries.values())
    outcomes = f"{counted[DONE]} done, {counted[REFUSED]} refused with nothing taken, {counted['wrong']} wrong"
    return f"{len(table.boundaries)} flows, {boundaries} boundaries, {len(table.cells)} cuts: {outcomes}; {table.seconds:.0f} s"


def _rows(table: Table) -> dict[str, list[_Row]]:
    cells = {(cell.flow, cell.boundary.number, cell.cut): cell for cell in table.cells}
    return {
        flow: [(each, [_outcome(each, cut, cells.get((flow, each.number, cut))) for cut in Cut]) for each in boundaries]
        for flow, boundaries in table.boundaries.items()
    }


def _outcome(boundary: Boundary, cut: Cut, cell: Cell | None) -> str:
    if cut not in boundary.cuts:
        return LEFT_OUT
    if cell is None:
        return NOT_RUN
    return "WRONG" if cell.wrong else cell.outcome.split(":")[0]


def _style(outcome: str) -> str:
    return {DONE: "green", REFUSED: "yellow", "WRONG": "bold red"}.get(outcome, "dim")
