"""Bringing a database to the newest revision, as the owner, without getting in anybody's way."""

import io
import random
import re
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from procrastinate.schema import SchemaManager
from psycopg import errors, sql
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError

from holdfast.app.faults import Fault
from holdfast.app.revisions import MIGRATIONS, known_revisions
from holdfast.database.partitions import MONTHS_AHEAD, ensure_partitions

LOCK_TIMEOUT_MS = 2_000
LOCK_ATTEMPTS = 15
_ONE_AT_A_TIME = 0x686F6C64666173  # "holdfas": two migrating at once would only stumble over each other.


class MigrationFault(Fault):
    """The database cannot be migrated."""


def migrate(owner_url: str, revision: str = "head", *, migrations: Path = MIGRATIONS, months_ahead: int = MONTHS_AHEAD) -> list[str]:
    """Run what is missing up to ``revision``, make partitions ahead, and return what was done, in words.

    A statement that waits 2 s for a lock gives up, so that nothing queues up behind it, and is tried again later.
    Raises MigrationFault.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(owner_url), poolclass=NullPool)
    try:
        with engine.connect() as connection:
            _check_roles(connection)
            before = _revision(connection)
            connection.commit()
            for attempt in range(1, LOCK_ATTEMPTS + 1):
                try:
                    command.upgrade(_config(migrations, connection), revision)
                    partitions = ensure_partitions(_raw(connection), months_ahead=months_ahead)
                    connection.exec_driver_sql("GRANT SELECT ON alembic_version TO holdfast_app")
                    connection.commit()
                    break
                except DBAPIError as error:
                    connection.rollback()
                    if not isinstance(error.orig, errors.LockNotAvailable):
                        at = f"after revision {_revision(connection) or 'none'}"
                        raise MigrationFault(f"A migration failed {at}, and changed nothing: {error.orig}\n{error.statement}") from error
                except errors.LockNotAvailable:
                    connection.rollback()
                if attempt == LOCK_ATTEMPTS:
                    raise MigrationFault(
                        "Other transactions kept a table locked for too long. Nothing was left half done: run `holdfast migrate` again."
                    )
                time.sleep(random.uniform(0.5, 2.0))  # noqa: S311 - jitter.
            after = _revision(connection)
    finally:
        engine.dispose()
    done = [f"migrated from {before or 'an empty database'} to {after}"] if after != before else []
    return done + ([f"made {len(partitions)} partitions, {partitions[0]} to {partitions[-1]}"] if partitions else [])


def migration_sql(revision: str = "head", *, migrations: Path = MIGRATIONS) -> str:
    """The SQL of all migrations up to ``revision`` (or of a span, ``0003:0004``), for linters and for whoever runs SQL by hand."""
    written = io.StringIO()
    command.upgrade(_config(migrations, None, output=written), revision, sql=True)
    return written.getvalue()


def sql_to_lint() -> dict[str, str]:
    """The SQL of each migration by its revision, without what is not ours: Procrastinate's schema, and the transaction around it."""
    revisions = known_revisions()
    written = {}
    for previous, revision in zip(["base", *revisions], revisions, strict=False):
        text = migration_sql(f"{previous}:{revision}").replace(SchemaManager.get_schema().strip().expandtabs(4), "")
        ours = text.split("-- Running upgrade", 1)[1]
        written[revision] = "--" + re.split(r"(?m)^(?:INSERT INTO|UPDATE) alembic_version\b", ours)[0]
    return written


def _config(migrations: Path, connection: Connection | None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        connection = psycopg.connect(
            url, connect_timeout=10, application_name="holdfast migrate", options=f"-c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
        )
    except psycopg.OperationalError as error:
        raise MigrationFault(
            f"The database cannot be opened as its owner: {str(error).strip()}\n"
            "Is DATABASE_OWNER_URL right? On a new server, first make the roles and the database, as a superuser:\n"
            "  psql -v owner_password=... -v app_password=... -f deploy/roles.sql SUPERUSER_URL"
        ) from error
    # Its own wait is not a lock on a table, so nobody queues behind it.
    connection.execute("SET lock_timeout = 0")
    connection.execute("SELECT pg_advisory_lock(%s)", (_ONE_AT_A_TIME,))
    connection.execute(sql.SQL("SET lock_timeout = {}").format(LOCK_TIMEOUT_MS))
    connection.commit()
    return connection


def _check_roles(connection: Connection) -> None:
    found = connection.exec_driver_sql("SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_app')").one()
    if not found[1]:
        raise MigrationFault(
            "The role holdfast_app, which the migrations grant rights to, does not exist. Make the roles, as a superuser:\n"
            "  psql -v owner_password=... -v app_password=... -f deploy/roles.sql SUPERUSER_URL"
        )
    if found[0] == "holdfast_app":
        raise MigrationFault("DATABASE_OWNER_URL names the role holdfast_app, which may not change tables. It must be holdfast_owner's.")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _raw(connection: Connection) -> psycopg.Connection[tuple[object, ...]]:
    raw = connection.connection.driver_connection
    if not isinstance(raw, psycopg.Connection):
        raise TypeError(raw)
    return raw
