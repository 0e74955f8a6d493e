"""The world in which it is measured: servers of its own on a real disk, durability on, and the real web server as a process."""

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from msgspec import Struct
from psycopg import sql

from holdfast.app.embedded import Home, PostgresServer, RedisServer, postgres_programs, redis_program
from holdfast.app.faults import Fault
from holdfast.app.migration import migrate

MONTHS_AHEAD = 1
TOKEN_MINUTES = 60
_PLACES_IN_MEMORY = ("tmpfs", "ramfs")
# Web servers of two databases, the worker, pgbench with 64 clients, and we.
_CONNECTIONS_MAX = "200"
_DURABILITY = ("fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers", "max_wal_size", "server_version")
_NOT_INHERITED = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "HOLDFAST_")


class Machine(Struct, frozen=True):
    """On what it was measured."""

    processors: int
    memory_gb: float
    directory: str
    file_system: str
    postgres: Mapping[str, str]
    busy_before: float
    """The share of its processors that others took just before."""


class World:
    """PostgreSQL and Redis of one benchmark, with a migrated template to make databases from."""

    def __init__(self, home: Home, postgres: PostgresServer, redis: RedisServer | None, programs: Path, root: Path) -> None:
        self.postgres = postgres
        self.programs = programs
        self.root = root
        self._home = home
        self._redis = redis
        self._numbers = itertools.count(1)

    def machine(self, busy_before: float) -> Machine:
        with psycopg.connect(self.postgres.superuser_url) as connection:
            shown = {name: value for name, value in connection.execute("SELECT name, setting FROM pg_settings") if name in _DURABILITY}
        return Machine(
            processors=psutil.cpu_count() or 1,
            memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
            directory=str(self.root),
            file_system=_file_system(self.root),
            postgres=shown,
            busy_before=busy_before,
        )

    def backends(self) -> list[psutil.Process]:
        """PostgreSQL's processes, the postmaster first."""
        assert self.postgres.pid is not None
        postmaster = psutil.Process(self.postgres.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def make_template(self) -> None:
        self._run(sql.SQL("CREATE DATABASE bench_template TEMPLATE template0 OWNER holdfast_owner"))
        migrate(self.postgres.url("holdfast_owner", "bench_template"), months_ahead=MONTHS_AHEAD)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The name of a database made from the template, until the block ends."""
        name = f"bench_{next(self._numbers)}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE bench_template OWNER holdfast_owner").format(sql.Identifier(name)))
        try:
            yield name
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def environment(self, database: str, settings: Mapping[str, str]) -> dict[str, str]:
        """What a program of ours is started with, to work on a database. ``settings`` come before what is usual here."""
        secrets, (port, internal_port) = self._home.secrets, _free_ports(2)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
        return {
            **inherited,
            "DATABASE_URL": self.postgres.url("holdfast_app", database),
            "REDIS_URL": self._redis.url if self._redis is not None else "",
            "HOLDFAST_TOKEN_KEY": secrets.token_key,
            "HOLDFAST_VAULT_KEY": secrets.vault_key,
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_INTERNAL_PORT": str(internal_port),
            # Counted like everybody's, and never too many.
            "HOLDFAST_REQUESTS_PER_MINUTE": "1000000",
            "HOLDFAST_ACCESSTOKEN_MINUTES": str(TOKEN_MINUTES),
            # No hold lapses within a run, but where a scenario is about that.
            "HOLDFAST_HOLD_SECONDS": "3600",
            "HOLDFAST_LIVE_HOLDS_MAX": "100",
            "HOLDFAST_LOG_LEVEL": "warning",
            "HOLDFAST_BENCH_ENDPOINT": "true",
            **settings,
        }

    def _run(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(self.postgres.superuser_url, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def open_world(wanted: Path | None = None) -> Iterator[World]:
    """A world in ``wanted``, or in the first temporary directory that lies on a disk. Raises Fault."""
    root = Path(tempfile.mkdtemp(prefix="holdfast-bench-", dir=_directory(wanted)))
    # As root, PostgreSQL runs as nobody, who must be able to pass.
    root.chmod(0o711)
    try:
        with Home(root / "data") as home, contextlib.ExitStack() as stack:
            programs = postgres_programs(home.account)
            postgres = PostgresServer(
                home.path / "postgres", home.sockets, home.secrets,
                programs=programs, account=home.account, settings={"max_connections": _CONNECTIONS_MAX},
            )  # fmt: skip
            stack.callback(postgres.stop)
            postgres.start(root / "postgres.out")
            world = World(home, postgres, _start_redis(home, root, stack), programs, root)
            world.make_template()
            yield world
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _start_redis(home: Home, root: Path, stack: contextlib.ExitStack) -> RedisServer | None:
    program = redis_program(home.account)
    if program is None:
        return None
    redis = RedisServer(home.sockets, home.secrets.redis, program=program, account=home.account)
    stack.callback(redis.stop)
    redis.start(root / "redis.out")
    return redis


def _directory(wanted: Path | None) -> Path:
    candidates = [wanted] if wanted is not None else [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108
    for candidate in candidates:
        if candidate.is_dir() and _file_system(candidate) not in _PLACES_IN_MEMORY:
            return candidate
    raise Fault(f"{candidates[0]} is no directory on a disk, and in memory durability costs nothing: name one with --data.")


def _file_system(path: Path) -> str:
    """The sort of file system that a path lies on."""
    found = max(
        (part for part in psutil.disk_partitions(all=True) if path.resolve().is_relative_to(part.mountpoint)),
        key=lambda part: len(part.mountpoint),
        default=None,
    )
    return found.fstype if found is not None else "unknown"


def _free_ports(count: int) -> list[int]:
    """Ports of loopback below those that Linux takes for outgoing connections, from anywhere: others look for some at the same time."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        for port in range(20_000 + secrets.randbelow(12_000), 32_768):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise Fault("There is no free port on 127.0.0.1.")
