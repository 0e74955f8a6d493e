"""``holdfast docs``."""

from typing import Annotated

import typer


def docs(check: Annotated[bool, typer.Option("--check", help="Change nothing; fail where a page is stale.")] = False) -> None:
    """Write the pages of docs/reference that are made from the code and the database."""
    from holdfast.app.docs import regenerate

    stale = regenerate(write=not check)
    for page in stale:
        print(f"{'stale' if check else 'written'}: {page}")
    if check and stale:
        raise SystemExit("Run ./holdfast docs, and commit the pages.")
