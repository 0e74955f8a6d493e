"""``holdfast faults``."""

from pathlib import Path
from typing import Annotated

import typer

WIDTH_MIN = 170


def faults(
    sample: Annotated[
        int | None, typer.Option(min=1, help="Run so many cuts, drawn by chance.  [dim]\\[default: all][/]", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="What the sample is drawn from.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help="Cut this flow, and others that are named so.", show_default=False)] = None,
    at: Annotated[str, typer.Option(help="Cut only where this is part of the boundary's name.")] = "",
    at_once: Annotated[int, typer.Option(min=1, max=16, help="How many run at a time.")] = 4,
    json: Annotated[Path | None, typer.Option(help="Write what was found here.", show_default=False)] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the tables here, as docs/explain/crash-points.md has them.", show_default=False)
    ] = None,
) -> None:
    """Kill, cut off and keep waiting every flow of money and seats at every boundary. Exit code 1 if anything is wrong afterwards."""
    import asyncio
    import logging

    from rich.console import Console

    from holdfast.app.crashpoints import report
    from holdfast.app.crashpoints.run import Plan, Table, open_crash_points, own_cluster

    # The sandboxes run in this process, and say each request.
    logging.disable(logging.WARNING)
    console = Console(highlight=False, soft_wrap=True)
    # A table that is squeezed says nothing.
    console.width = max(console.width, WIDTH_MIN)

    async def run() -> Table:
        with own_cluster() as (postgres, root):
            async with open_crash_points(postgres, root / "stands", stands=at_once) as crash_points:
                return await crash_points.run(Plan(sample, seed, tuple(only or ()), at), console.print)

    found = asyncio.run(run())
    report.show(console, found)
    if json is not None:
        json.write_bytes(report.as_json(found))
    if markdown is not None:
        markdown.write_text(report.as_markdown(found) + "\n", encoding="utf-8")
    if found.wrong:
        raise SystemExit(1)
