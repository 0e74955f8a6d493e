"""``holdfast docs``."""

from typing import Annotated

import typer


def docs(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail where a page is stale or a link broken.")] = False,
) -> None:
    """Write the pages of docs/reference that are made from the code and the database."""
    from holdfast.app.docs import regenerate
    from holdfast.app.links import broken_links

    stale = regenerate(write=not check)
    for page in stale:
        print(f"{'stale' if check else 'written'}: {page}")
    broken = broken_links()
    for link in broken:
        print(f"leads nowhere: {link}")
    if check and stale:
        raise SystemExit("Run ./holdfast docs, and commit the pages.")
    if broken:
        raise SystemExit(1)
