"""Migrations run from nothing, from any earlier revision, by hand, and without getting in anybody's way."""

import threading
from pathlib import Path

import psycopg
import pytest
from tests.clusters import Cluster

from holdfast.app import migration
from holdfast.app.docs import schema_page
from holdfast.app.migration import MigrationFault, migrate, migration_sql
from holdfast.app.revisions import MIGRATIONS, has_partitions_ahead, is_current, known_revisions


@pytest.fixture
def empty_url(cluster: Cluster, empty_database_name: str) -> str:
    return cluster.postgres.url("holdfast_owner", empty_database_name)


def test_one_revision_after_another(empty_url: str, owner_url: str) -> None:
    assert not is_current(empty_url)
    for revision in known_revisions():
        assert not is_current(empty_url)
        migrate(empty_url, revision)
    assert is_current(empty_url)
    assert has_partitions_ahead(empty_url)
    assert schema_page(empty_url) == schema_page(owner_url)


def test_the_sql_for_running_by_hand_makes_the_same(empty_url: str, owner_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as owner:
        owner.execute(migration_sql().encode())
    assert schema_page(empty_url) == schema_page(owner_url)


def test_migrating_as_the_wrong_role_is_said(cluster: Cluster, empty_database_name: str) -> None:
    with pytest.raises(MigrationFault, match="which may not change tables"):
        migrate(cluster.postgres.url("holdfast_app", empty_database_name))


def test_a_database_without_roles_is_told_how_to_get_them(cluster: Cluster) -> None:
    with pytest.raises(MigrationFault, match=r"psql -v owner_password=\.\.\. -v app_password=\.\.\. -f deploy/roles\.sql"):
        migrate(cluster.postgres.url("holdfast_owner", "nowhere"))


@pytest.fixture
def alters_a_table(tmp_path: Path) -> Path:
    """One migration, which needs a lock on the table ``busy``."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text((MIGRATIONS / "env.py").read_text())
    (tmp_path / "versions" / "9999_alter.py").write_text(
        "from alembic import op\nrevision = '9999'\ndown_revision = None\n"
        "def upgrade() -> None:\n    op.execute('ALTER TABLE busy ADD COLUMN more integer')\n"
    )
    return tmp_path


def test_it_gives_up_the_wait_for_a_lock_and_tries_again(empty_url: str, alters_a_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "LOCK_TIMEOUT_MS", 100)
    with psycopg.connect(empty_url, autocommit=True) as other:
        other.execute("CREATE TABLE busy (id integer)")
        other.execute("BEGIN")
        other.execute("INSERT INTO busy VALUES (1)")
        gave_up = threading.Event()

        def pause(_: float) -> None:
            gave_up.set()
            other.execute("COMMIT")

        monkeypatch.setattr("holdfast.app.migration.time.sleep", pause)
        migrate(empty_url, migrations=alters_a_table)
        assert gave_up.is_set()
        assert other.execute("SELECT count(more) FROM busy").fetchone() == (0,)


def test_a_lock_that_is_never_free_is_said(empty_url: str, alters_a_table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr("holdfast.app.migration.time.sleep", lambda _: None)
    with psycopg.connect(empty_url) as other:
        other.execute("CREATE TABLE busy (id integer)")
        other.commit()
        other.execute("INSERT INTO busy VALUES (1)")
        with pytest.raises(MigrationFault, match="kept a table locked for too long"):
            migrate(empty_url, migrations=alters_a_table)


def test_a_migration_that_fails_changes_nothing(empty_url: str, alters_a_table: Path) -> None:
    with pytest.raises(MigrationFault, match='changed nothing: relation "busy" does not exist'):
        migrate(empty_url, migrations=alters_a_table)
