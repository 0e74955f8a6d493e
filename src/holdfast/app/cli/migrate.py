"""``holdfast migrate``."""

from typing import Annotated

import typer


def migrate(
    revision: Annotated[str, typer.Option(help="Stop at this revision.")] = "head",
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead of running it.")] = False,
) -> None:
    """Bring the database to this version, as its owner (DATABASE_OWNER_URL)."""
    from holdfast.app.faults import Fault
    from holdfast.app.migration import migrate as run
    from holdfast.app.migration import migration_sql
    from holdfast.app.settings import load_settings

    if sql:
        print(migration_sql(revision))
        return
    settings = load_settings()
    if not settings.database_owner_url:
        raise Fault("DATABASE_OWNER_URL is not set: the URI of the database as the role holdfast_owner.")
    for done in run(settings.database_owner_url, revision) or ["nothing to do: the database has this version already"]:
        print(done)
