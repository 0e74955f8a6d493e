"""What is shown while a day goes on, and what is left of it at the end."""

import time
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from holdfast.app.simulate.plan import NEEDED, Plan
from holdfast.app.simulate.tally import Tally

LINES_MAX = 20
_SHOWN = ("hold", "pay", "pay, bank troubled", "cancel", "release", "search", "start session", "close", "read payment", "sign in")


class Board:
    """A live table of one run; renders itself anew each time it is asked."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self._plan = plan
        self._tally = tally
        self._began = time.monotonic()

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 3))
        for behaviour, times in sorted(self._tally.happened.items(), key=lambda item: -item[1])[:24]:
            table.add_row(f"{times:>7,}", behaviour, "")
        faults = (
            Text(f"{self._tally.fault_count} faults", style="bold red") if self._tally.fault_count else Text("no faults", style="green")
        )
        return Group(Text(self.line(), style="bold"), faults, table)

    def line(self) -> str:
        """Where things stand, in one line."""
        passed = time.monotonic() - self._began
        p50, p99 = self._tally.percentiles("hold", 0.5, 0.99)
        paid = self._tally.happened["paid"]
        return (
            f"{passed:4.0f} of {self._plan.seconds:.0f} s   {self._tally.requests:,} requests   {self._tally.count('hold'):,} holds asked"
            f" (p50 {p50:.0f} ms, p99 {p99:.0f} ms)   {paid:,} simply paid   {self._tally.unanswered.total():,} unanswered"
        )


def show_behaviours(console: Console, tally: Tally, expected: Sequence[str], *, judged: bool) -> list[str]:
    """How often each behaviour happened; returns those that did not happen often enough, where that is judged."""
    rare = [name for name in expected if tally.happened[name] < NEEDED] if judged else []
    table = Table(title="What people did", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("times", justify="right")
    table.add_column("")
    for name in [*expected, *sorted(set(tally.happened) - set(expected))]:
        table.add_row(f"{tally.happened[name]:,}", Text(name, style="bold red" if name in rare else ""))
    console.print(table)
    return rare


def show_findings(console: Console, findings: Mapping[str, Sequence[str]]) -> None:
    """Each heading under which there is something, with its first lines."""
    for heading, lines in findings.items():
        if lines:
            console.print(f"\n{heading} ({len(lines)})", style="bold")
            for line in lines[:LINES_MAX]:
                console.print(f"  {line}", markup=False)
    console.print()


def show_figures(console: Console, tally: Tally, seconds: float) -> None:
    """Rates, latencies, and refusals by reason."""
    table = Table(title="Answers, in milliseconds", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("")
    for heading in ("answers", "p50", "p95", "p99", "most"):
        table.add_column(heading, justify="right")
    for what in [*(name for name in _SHOWN if tally.count(name)), *(name for name in tally.operations() if name not in _SHOWN)]:
        figures = tally.percentiles(what, 0.5, 0.95, 0.99, 1.0)
        table.add_row(what, f"{tally.count(what):,}", *(f"{figure:,.0f}" for figure in figures))
    console.print(table)
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(tally.answers.items()))
    console.print(f"\nAnswers by status   {statuses}")
    for title, counts in (("Refusals", tally.refusals), ("Asked again", tally.repeated), ("Unanswered", tally.unanswered)):
        if counts:
            console.print(f"{title:<20}" + ", ".join(f"{reason}: {count:,}" for reason, count in counts.most_common()))
    console.print(
        f"{'Rates':<20}{tally.requests / seconds:,.0f} requests, {tally.count('hold') / seconds:,.1f} holds"
        f" and {tally.count('pay') / seconds:,.1f} payments asked for in a second"
    )
