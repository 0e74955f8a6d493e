"""What must be true of a database before anything is sold on it."""

import time

import psycopg

from holdfast.app.faults import Fault
from holdfast.app.revisions import is_current

WAIT_S = 30.0
_POLL_S = 0.1
_OLDEST = 150_000
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


def check_database(url: str, wait_s: float = WAIT_S) -> None:
    """Wait for the database and its migration, and look at it.

    Raises Fault where it is away, too old, not migrated, or may lose what it confirmed.
    """
    if not url:
        raise Fault("DATABASE_URL is not set. Set it, or run `holdfast up`, which starts a PostgreSQL of its own.")
    deadline = time.monotonic() + wait_s
    with _connect(url, deadline) as connection:
        if connection.info.server_version < _OLDEST:
            raise Fault(f"PostgreSQL {connection.info.server_version // 10_000} is too old: 15 to 18 are supported.")
        rows = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_DURABLE),)).fetchall()
        weak = [
            f"{name} = {setting}"
            for name, setting in rows
            if setting in ("off", "local") or (name != "synchronous_commit" and setting != "on")
        ]
        if weak:
            raise Fault(
                f"This PostgreSQL may lose sales that it has confirmed ({', '.join(weak)}). Turn that on: Holdfast never sells without it."
            )
    while not is_current(url):
        if time.monotonic() > deadline:
            raise Fault("The database has not been migrated to this version. Run `holdfast migrate` with DATABASE_OWNER_URL set.")
        time.sleep(_POLL_S)


def _connect(url: str, deadline: float) -> psycopg.Connection[tuple[str, str]]:
    while True:
        try:
            return psycopg.connect(url, connect_timeout=5, application_name="holdfast preflight")
        except psycopg.OperationalError as error:
            # A wrong password does not become right by waiting.
            if error.sqlstate is not None or time.monotonic() > deadline:
                raise Fault(f"The database cannot be opened: {str(error).strip()}\nIs DATABASE_URL right?") from error
        time.sleep(_POLL_S)
