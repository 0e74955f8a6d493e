"""What an examination found, for people and for programs."""

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.app.check.examination import Examination, Finding


def show(console: Console, found: Examination) -> None:
    """A line for each invariant, then the rows that offend, then the sum."""
    table = Table(title=f"Invariants at {found.at:%Y-%m-%d %H:%M:%S} UTC", title_justify="left", show_lines=False)
    table.add_column("", no_wrap=True)
    table.add_column("What must hold")
    table.add_column("", no_wrap=True, justify="right")
    table.add_column("ms", no_wrap=True, justify="right")
    for finding in found.findings:
        table.add_row(finding.number, Text(finding.meaning), _verdict(finding), f"{finding.ms:.0f}")
    console.print(table)
    for finding in found.findings:
        if not finding.holds:
            console.print(Text(f"\n{finding.number} {finding.name}: {finding.meaning}", style="bold red"))
            for row in finding.rows:
                console.print(Text("  " + ", ".join(f"{name}={value}" for name, value in row.items())))
            if finding.violations > len(finding.rows):
                console.print(f"  ... and {finding.violations - len(finding.rows)} more")
    console.print("\n" + ", ".join(f"{name} {value}" for name, value in found.settings.items()))
    for note in found.notes:
        console.print(Text(note, style="yellow"))
    took = sum(finding.ms for finding in found.findings) / 1000
    style = "bold red" if found.violations else "bold green"
    console.print(Text(f"{found.violations} violations of {len(found.findings)} invariants, in {took:.1f} s", style=style))


def as_json(found: Examination) -> str:
    """The same as one JSON object."""
    return msgspec.json.format(msgspec.json.encode({"violations": found.violations, **msgspec.to_builtins(found)})).decode()


def _verdict(finding: Finding) -> Text:
    return Text("ok", style="green") if finding.holds else Text(f"{finding.violations} violations", style="bold red")
