"""``holdfast audit``: the chain that seals the audit log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from holdfast.audit.heads import PublishedHead
    from holdfast.audit.models import ChainHead
    from holdfast.audit.verification import Contradicted, Verdict
    from holdfast.database import Database

Data = Annotated[
    Path | None,
    typer.Option(
        help="Directory of a running `up`.  [dim]\\[default: DATABASE_URL, else .holdfast in the checkout][/]", show_default=False
    ),
]

audit = typer.Typer(help="Verify the audit log, and print the head of its chain.", no_args_is_help=True)


@audit.command()
def verify(
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A published head that must be in the chain. Again for more.", metavar="FILE", show_default=False),
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="A published head to trust: only what was sealed after it is looked at.", metavar="FILE", show_default=False),
    ] = None,
    data: Data = None,
) -> None:
    """Compare every row of the audit log with its seal. Exit code 1 if one was changed, removed, added or moved, and says which."""
    import asyncio

    from holdfast.app.faults import Fault
    from holdfast.app.settings import settings_of
    from holdfast.audit.chain import HeadGone
    from holdfast.audit.heads import HeadUnreadable, PublishedHead

    try:
        trusted = None if since is None else PublishedHead.read(since)
        published = [PublishedHead.read(path) for path in against or ()]
    except HeadUnreadable as error:
        raise Fault(str(error)) from None
    try:
        verdict, contradiction = asyncio.run(_verify(_database(settings_of(data).database_url), trusted, published))
    except HeadGone as gone:
        raise Fault(str(gone)) from None
    for broken in verdict.broken:
        print(broken)
    if verdict.count > len(verdict.broken):
        print(f"... and {verdict.count - len(verdict.broken):,} more.")
    if contradiction is not None:
        print(contradiction)
    after = "" if trusted is None else f" after row {trusted.rows:,}"
    print(f"{verdict.rows:,} rows{after} were compared. The chain ends with row {verdict.head.number:,}, {verdict.head.hash.hex()}.")
    if verdict.count or contradiction is not None:
        raise SystemExit(1)
    print("Nothing was changed, removed, added or moved.")


@audit.command()
def head(data: Data = None) -> None:
    """Print where the chain ends now, as it is published: how many rows are sealed, and the hash over all of them."""
    import asyncio

    from holdfast.app.faults import Fault
    from holdfast.app.settings import settings_of
    from holdfast.audit.chain import HeadGone
    from holdfast.audit.heads import PublishedHead

    try:
        found = asyncio.run(_head(_database(settings_of(data).database_url)))
    except HeadGone as gone:
        raise Fault(str(gone)) from None
    print(PublishedHead.of(found).encoded().decode(), end="")


def _database(url: str) -> "Database":
    from holdfast.app.preflight import check_database
    from holdfast.database import Database

    check_database(url, wait_s=0)
    return Database(url, connections=1, name="holdfast audit", patient=True)


async def _verify(
    database: "Database", trusted: "PublishedHead | None", published: "list[PublishedHead]"
) -> "tuple[Verdict, Contradicted | None]":
    from holdfast.audit.verification import contradicted, verify

    try:
        verdict = await verify(database, 0 if trusted is None else trusted.rows)
        return verdict, await contradicted(database, published if trusted is None else [trusted, *published])
    finally:
        await database.close()


async def _head(database: "Database") -> "ChainHead":
    from holdfast.audit.verification import end_of_chain

    try:
        return await end_of_chain(database)
    finally:
        await database.close()
