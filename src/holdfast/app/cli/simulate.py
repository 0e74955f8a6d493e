"""``holdfast simulate``."""

from pathlib import Path
from typing import Annotated

import typer

KILLABLE = ("redis", "worker", "web", "postgres")


def simulate(
    drivers: Annotated[int, typer.Option(min=1, help="How many drivers there are.")] = 30,
    passengers: Annotated[int, typer.Option(min=1, help="How many passengers there are.")] = 400,
    minutes: Annotated[float, typer.Option(min=0.05, help="How long the day lasts; fractions are allowed.")] = 1.0,
    seed: Annotated[int, typer.Option(help="What people want is drawn from this.")] = 1,
    gtfs: Annotated[
        Path | None, typer.Option(help="Folder or zip of a GTFS feed to import.  [dim]\\[default: the demo's][/]", show_default=False)
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(help="An installation that runs.  [dim]\\[default: one of its own, with holds of 20 s][/]", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data directory of that installation, unless DATABASE_URL is set.", show_default=False)
    ] = None,
    kill: Annotated[str, typer.Option(help=f"kill -9 these in the middle of it: {','.join(KILLABLE)}")] = "",
) -> None:
    """Let people behave as they do, then compare all that was promised with what is there. Exit code 1 if anything is wrong."""
    import uvloop
    from rich.console import Console

    from holdfast.app.faults import Fault
    from holdfast.app.simulate import Plan
    from holdfast.app.simulate import simulate as run

    killed = tuple(name.strip() for name in kill.split(",") if name.strip())
    if unknown := [name for name in killed if name not in KILLABLE]:
        raise Fault(f"There is no {unknown[0]} to kill; there are {', '.join(KILLABLE)}.")
    plan = Plan(drivers, passengers, minutes * 60, seed, gtfs, base_url, data, killed)
    raise SystemExit(uvloop.run(run(plan, Console(highlight=False, soft_wrap=True))))
