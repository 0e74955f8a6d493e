"""``holdfast test``."""

from typing import Annotated

import typer


def run_tests(
    arguments: Annotated[list[str] | None, typer.Argument(help="Passed on to pytest: a path, -k NAME, --slow ...")] = None,
) -> None:
    """Run the tests, against a real PostgreSQL and a real Redis."""
    import os
    import sys

    from holdfast.app.running import CHECKOUT

    os.chdir(CHECKOUT)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *(arguments or [])])  # noqa: S606 - no shell is wanted.
