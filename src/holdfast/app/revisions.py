"""Which revision a database has, and which one this program wants. Cheap enough to ask at every start."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from psycopg import errors

MIGRATIONS = Path(__file__).parents[3] / "migrations"
_AHEAD = timedelta(days=22 * 30)
_LINKS = re.compile(r'^(down_revision|revision)(?:: [^=]+)? = (?:"(\w+)"|None)$', re.MULTILINE)


def known_revisions() -> list[str]:
    """Every revision that this program knows, oldest first. Raises ValueError where they are no single chain."""
    after: dict[str | None, str] = {}
    files = list((MIGRATIONS / "versions").glob("*.py"))
    for file in files:
        links = {name: value or None for name, value in _LINKS.findall(file.read_text(encoding="utf-8"))}
        revision = links["revision"]
        if revision is None or links["down_revision"] in after:
            raise ValueError(f"{file.name} is not the one migration after {links['down_revision']}")
        after[links["down_revision"]] = revision
    chain: list[str] = []
    while (following := after.get(chain[-1] if chain else None)) is not None:
        chain.append(following)
    if len(chain) != len(files):
        raise ValueError(f"the migrations break off after {chain[-1] if chain else 'the start'}")
    return chain


def has_partitions_ahead(url: str) -> bool:
    """Whether the event log has its partitions for all but the last of the months that `migrate` makes ahead."""
    with psycopg.connect(url, connect_timeout=5, application_name="holdfast preflight") as connection:
        last = connection.execute("SELECT max(relname) FROM pg_class WHERE relname ~ '^events_[0-9]{4}_[0-9]{2}$'").fetchone()
    return last is not None and str(last[0]) >= f"events_{datetime.now(UTC) + _AHEAD:%Y_%m}"


def is_current(url: str) -> bool:
    """Whether a database has the newest revision that this program knows, or one that only a newer program knows."""
    with psycopg.connect(url, connect_timeout=5, application_name="holdfast preflight") as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            return False
    return found is not None and found[0] not in known_revisions()[:-1]
