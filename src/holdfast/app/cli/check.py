"""``holdfast check``."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Directory of a running `up`.  [dim]\\[default: DATABASE_URL, else .holdfast in the checkout][/]", show_default=False
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Ask the database whether everything that must hold does hold. Exit code 1 if anything does not."""
    import asyncio

    from rich.console import Console

    from holdfast.app.check.program import examine_program
    from holdfast.app.check.report import as_json, show
    from holdfast.app.settings import settings_of

    found = asyncio.run(examine_program(settings_of(data)))
    if json:
        print(as_json(found))
    else:
        show(Console(), found)
    if found.violations:
        raise SystemExit(1)
