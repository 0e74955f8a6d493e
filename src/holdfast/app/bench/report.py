"""What was measured, for people and for programs."""

import json
from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.app.bench.figures import Measured, Verdict
from holdfast.app.bench.world import Machine


def show(console: Console, machine: Machine, measured: Sequence[Measured]) -> None:
    """A line for each scenario, then the bars, then what went wrong."""
    console.print(_machine_line(machine))
    table = Table(title="Medians of the rounds", title_justify="left", show_lines=False)
    table.add_column("scenario", no_wrap=True)
    for heading in ("rate", "baseline", "ratio", "p50 ms", "p95 ms", "p99 ms", "errors", "server", "PostgreSQL", "load"):
        table.add_column(heading, no_wrap=True, justify="right")
    for each in measured:
        cpu = each.cpu()
        shares = [f"{share:.0%}" for share in (cpu.server, cpu.postgres, cpu.load)] if cpu else ["", "", ""]
        percentiles = [_number(each.percentile(name)) for name in ("p50_ms", "p95_ms", "p99_ms")]
        table.add_row(
            each.name,
            f"{each.rate:,.0f} {each.unit}",
            f"{each.baseline:,.0f} {each.compared_with.value}",
            f"{each.ratio:.2f}",
            *percentiles,
            str(each.errors),
            *shares,
        )
    console.print(table)
    console.print("Shares are of all processors of the machine.")
    _show_verdicts(console, measured)
    for each in measured:
        for note in each.notes:
            console.print(Text(f"{each.name}: {note}"))
        for violation in each.violations:
            console.print(Text(f"{each.name}: VIOLATION {violation}", style="bold red"))
        for sample in [sample for found in each.rounds for sample in (found.ours, *found.baselines.values()) if sample.errors]:
            console.print(Text(f"{each.name}: {sample.errors} ERRORS {sample.note}", style="bold red"))


def as_json(machine: Machine, measured: Sequence[Measured]) -> bytes:
    """``{"scenarios": [{"name", "rate", "baseline", "ratio", "p50_ms", "p99_ms", ...}]}``."""
    whole = {"machine": msgspec.to_builtins(machine), "scenarios": [_scenario(each) for each in measured]}
    return (json.dumps(whole, indent=2) + "\n").encode()


def _scenario(each: Measured) -> dict[str, object]:
    cpu = each.cpu()
    return {
        "name": each.name,
        "meaning": each.meaning,
        "unit": each.unit,
        "rate": round(each.rate, 1),
        "baseline": round(each.baseline, 1),
        "baseline_name": each.compared_with.value,
        "ratio": round(each.ratio, 3),
        "baselines": {name.value: round(each.rate_of(name), 1) for name in each.rounds[0].baselines},
        "p50_ms": each.percentile("p50_ms"),
        "p95_ms": each.percentile("p95_ms"),
        "p99_ms": each.percentile("p99_ms"),
        "errors": each.errors,
        "violations": list(each.violations),
        "cpu": msgspec.to_builtins(cpu) if cpu is not None else None,
        "bars": [
            {
                "what": verdict.what,
                "value": round(verdict.value, 3),
                "bar": verdict.bar,
                "aim": verdict.aim,
                "at_least": verdict.at_least,
                "is_met": verdict.is_met,
            }
            for verdict in each.verdicts
        ],
        "rounds": [msgspec.to_builtins(found) for found in each.rounds],
        "notes": list(each.notes),
    }


def _show_verdicts(console: Console, measured: Sequence[Measured]) -> None:
    table = Table(title="What must hold", title_justify="left", show_lines=False)
    for heading in ("scenario", "what"):
        table.add_column(heading, no_wrap=True)
    for heading in ("measured", "bar", "aim", ""):
        table.add_column(heading, no_wrap=True, justify="right")
    for each in measured:
        for verdict in each.verdicts:
            table.add_row(each.name, verdict.what, _with_unit(verdict, verdict.value), *_wanted(verdict), _word(verdict))
    if table.row_count:
        console.print(table)


def _wanted(verdict: Verdict) -> list[str]:
    sign = "≥" if verdict.at_least else "≤"
    return [f"{sign} {_with_unit(verdict, value)}" for value in (verdict.bar, verdict.aim)]


def _with_unit(verdict: Verdict, value: float) -> str:
    return f"{value:.2f} {verdict.unit}".rstrip()


def _word(verdict: Verdict) -> Text:
    if verdict.is_aim_met:
        return Text("aim met", style="bold green")
    return Text("met", style="green") if verdict.is_met else Text("NOT MET", style="bold red")


def _machine_line(machine: Machine) -> str:
    shown = ", ".join(f"{name} {value}" for name, value in sorted(machine.postgres.items()))
    return (
        f"{machine.processors} processors, {machine.memory_gb} GB, data on {machine.file_system} in {machine.directory};"
        f" others took {machine.busy_before:.0%} just before\nPostgreSQL: {shown}"
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
