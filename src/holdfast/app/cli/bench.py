"""``holdfast bench``."""

from pathlib import Path
from typing import Annotated

import typer

WIDTH_MIN = 140


def bench(
    only: Annotated[list[str] | None, typer.Option(help="Measure this scenario, and others that are named so.", show_default=False)] = None,
    runs: Annotated[int, typer.Option(min=1, help="Rounds: ours and the baselines in turn, of which medians are taken.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Length of each run.")] = 5.0,
    connections: Annotated[int, typer.Option(min=1, max=500, help="Connections over which is asked.")] = 64,
    json: Annotated[Path | None, typer.Option(help="Write the figures here.", show_default=False)] = None,
    charts: Annotated[bool, typer.Option("--charts", help="Draw docs/images/bench-*.svg.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Directory on the disk to measure.  [dim]\\[default: a temporary one][/]", show_default=False)
    ] = None,
) -> None:
    """Measure how fast it is, beside what PostgreSQL alone does here. Exit code 1 where anything went wrong."""
    from rich.console import Console

    from holdfast.app.bench.plan import Plan
    from holdfast.app.bench.run import bench as run

    plan = Plan(rounds=runs, seconds=seconds, connections=connections, only=tuple(only or ()), data=data, json=json, charts=charts)
    console = Console(highlight=False, soft_wrap=True)
    # A table that is squeezed says nothing.
    console.width = max(console.width, WIDTH_MIN)
    raise SystemExit(run(plan, console))
