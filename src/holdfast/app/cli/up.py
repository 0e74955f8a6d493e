"""``holdfast up``."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    port: Annotated[
        int | None, typer.Option(help="Port of the web server; 0 takes any free one.  [dim]\\[default: 8000][/]", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Directory of the database.  [dim]\\[default: .holdfast in the checkout][/]", show_default=False)
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [dim]\\[default: 127.0.0.1][/]", show_default=False)] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Put a small city in, so that there is something to sell at once.")] = False,
) -> None:
    """Start everything on this machine: database, Redis, web server, worker."""
    import asyncio

    from holdfast.app.instance import run

    raise SystemExit(asyncio.run(run(host=host, port=port, data=data, demo=demo)))
