"""A site of the benchmark: one database, the real web server that sells from it, and what can be put in and counted."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, TypeVar
from urllib.error import URLError
from urllib.request import urlopen
from uuid import UUID

import msgspec
import psutil
import psycopg
from msgspec import Struct
from psycopg import sql

from holdfast.app.bench import numbers
from holdfast.app.bench.core import NIGHTS, CoreJob, CoreResult
from holdfast.app.bench.load import LoadJob, LoadResult
from holdfast.app.bench.meter import Done, Loaded, Meter
from holdfast.app.bench.world import TOKEN_MINUTES, World
from holdfast.app.check.program import examine_program
from holdfast.app.faults import Fault
from holdfast.app.leash import leashed
from holdfast.auth.keys import TokenKeys
from holdfast.auth.models import Login
from holdfast.auth.revocations import Revocations
from holdfast.auth.tokens import AccessTokens
from holdfast.common.actor import Role
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.database.queries import Query, queries
from holdfast.routes.models import RouteId
from holdfast.stations.models import StationId

R = TypeVar("R")

SQL = queries(__file__)

CAPACITY = 2_000_000_000
"""Seats of a session of which no run can sell all."""
HOT_TABLES = ("holds", "hold_lines", "bookings", "booking_items", "idempotency_keys", "events", "pools")
PRELOADED_SESSIONS = 100
PRELOADED_PEOPLE = 5_000
PRELOADED_FOR = timedelta(hours=12)
READY_WITHIN_S = 60.0
LOAD_PATIENCE_S = 60.0


class Crowd(Struct, frozen=True):
    """People by number, each with an access token."""

    numbers: range
    tokens: list[str]


class Site:
    """One database and the web server that sells from it."""

    def __init__(self, world: World, database: str, environment: Mapping[str, str]) -> None:
        self.world = world
        self.database = database
        self.environment = environment
        self.settings = _settings(environment)
        self.port = self.settings.port
        self._people = 0
        self._loads = 0
        self._pools = 0
        self._children: list[subprocess.Popen[bytes]] = []
        self._connection = psycopg.connect(self.settings.database_url, autocommit=True, options="-c timezone=UTC")
        self._tokens = AccessTokens(
            TokenKeys(self.settings.token_key.get_secret_value()),
            Revocations(Database(self.settings.database_url), timedelta(minutes=TOKEN_MINUTES)),
            issuer="holdfast",
            lifetime=timedelta(minutes=TOKEN_MINUTES),
        )
        self.route, self.station, self._other_station = RouteId.new(), StationId.new(), StationId.new()

    def start(self) -> None:
        """Start the web server, and put a route in. Raises Fault."""
        places = {"route_id": self.route, "from_id": self.station, "to_id": self._other_station}
        self._execute(SQL.add_places.text, places)
        self._execute(SQL.add_calls.text, places)
        server = self.run_program("serve")
        deadline = time.monotonic() + READY_WITHIN_S
        while not _is_alive(self.settings.internal_port):
            if server.poll() is not None or time.monotonic() > deadline:
                raise Fault(f"The web server did not start:\n{(self.world.root / f'{self.database}-serve.log').read_text()[-3000:]}")
            time.sleep(0.05)

    def run_program(self, command: str) -> "subprocess.Popen[bytes]":
        """One of our own commands, on a leash, until the site is closed."""
        with (self.world.root / f"{self.database}-{command}.log").open("wb") as log:
            child = subprocess.Popen(
                leashed([sys.executable, "-P", "-m", "holdfast", command], signal.SIGTERM),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(self.environment), cwd=self.world.root, start_new_session=True,
            )  # fmt: skip
        self._children.append(child)
        return child

    @property
    def server(self) -> psutil.Process:
        return psutil.Process(self._children[0].pid)

    def close(self) -> None:
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._connection.close()

    def open_sessions(self, count: int, capacity: int = CAPACITY) -> range:
        """More sessions, by number, each with a driver and a pool of ``capacity`` seats."""
        opened = range(self._pools + 1, self._pools + count + 1)
        self._pools += count
        numbered = {"first": opened[0], "last": opened[-1], "route_id": self.route, "station_id": self.station, "capacity": capacity}
        for query in (SQL.add_drivers, SQL.add_sessions, SQL.add_pools, SQL.announce_sessions):
            self._execute(query.text, numbered)
        self.tidy_up("users", "driver_sessions", "pools", "events")
        return opened

    def invite(self, count: int) -> Crowd:
        """More people, and their access tokens, signed as the program signs them."""
        invited = range(self._people + 1, self._people + count + 1)
        self._people += count
        for query in (SQL.add_people, SQL.add_logins):
            self._execute(query.text, {"first": invited[0], "last": invited[-1]})
        logins = (Login(numbers.login_id(number), numbers.person_id(number), 1, None) for number in invited)
        return Crowd(invited, [self._tokens.issue(login, Role.PASSENGER) for login in logins])

    def open_rooms(self, count: int) -> range:
        """Rooms by number, with their nights, whose pools are those after all others."""
        first = self._pools // NIGHTS + 1
        opened = range(first, first + count)
        self._pools = NIGHTS * (opened[-1] + 1) - 1
        self._execute(SQL.add_nights.text, {"first": opened[0], "last": opened[-1]})
        self.tidy_up("pools")
        return opened

    def preload(self, count: int) -> None:
        """Holds of earlier, on sessions that nobody asks for in a run: on empty tables every plan is another one."""
        people, sessions = self.invite(PRELOADED_PEOPLE).numbers, self.open_sessions(PRELOADED_SESSIONS)
        self.add_lapsing(count, datetime.now(UTC) + PRELOADED_FOR, sessions, people)
        self.tidy_up(*HOT_TABLES)

    def tidy_up(self, *tables: str) -> None:
        """What would otherwise happen by itself in the middle of a run."""
        with psycopg.connect(self.world.postgres.url("holdfast_owner", self.database), autocommit=True) as owner:
            owner.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(", ").join(map(sql.Identifier, tables))))

    @property
    def people(self) -> int:
        return self._people

    def count_holds(self) -> int:
        return int(self.value(SQL.count_holds))

    def count_confirmed(self) -> int:
        return int(self.value(SQL.count_confirmed))

    def begin_payments(self, limit: int) -> list[UUID]:
        """A payment for each held booking that has none, at most ``limit``, as they stand once the gateway was asked."""
        rows = self._connection.execute(SQL.add_payments.text, {"limit": limit}).fetchall()
        return [row[0] for row in rows]

    def begin_top_ups(self, people: range, amount: int) -> list[UUID]:
        """A payment to fill the wallet of each of these people, as it stands once the gateway was asked."""
        numbered = {"first": people[0], "last": people[-1], "amount": amount}
        return [row[0] for row in self._connection.execute(SQL.add_top_ups.text, numbered).fetchall()]

    def unpaid(self, people: range) -> list[tuple[UUID, int]]:
        """The held bookings of these people that nobody has begun to pay for, each with the number of its customer."""
        rows = self._connection.execute(SQL.unpaid.text, {"first": people[0], "last": people[-1]}).fetchall()
        return [(row[0], numbers.number_of(row[1])) for row in rows]

    def add_lapsing(self, count: int, deadline: datetime, sessions: range, people: range) -> None:
        """Holds that all lapse at once."""
        numbered = {"first_session": sessions[0], "sessions": len(sessions), "first_person": people[0], "people": len(people)}
        self._execute(SQL.add_lapsing.text, {"count": count, "deadline": deadline, **numbered})

    def move_deadlines(self, before: datetime, deadline: datetime) -> None:
        """Let holds of one deadline lapse at another."""
        self._execute(SQL.move_deadlines.text, {"before": before, "deadline": deadline})

    def any_lapsed(self) -> bool:
        return bool(self.value(SQL.any_lapsed))

    def count_expired(self) -> int:
        return int(self.value(SQL.count_expired))

    def seconds_behind(self) -> float:
        """How far the last consumer of the log is behind."""
        return float(self.value(SQL.seconds_behind))

    def value(self, query: Query) -> Any:
        """The first column of the first row."""
        row = self._connection.execute(query.text).fetchone()
        return None if row is None else row[0]

    def load(self, job: LoadJob, until: Callable[[], None] | None = None) -> Loaded:
        """Run a load in a process of its own, and say what it took of the processors.

        ``until`` runs beside it; when it returns, the load asks no more, however long it was to go on.
        """
        self._loads += 1
        job = msgspec.structs.replace(job, key_prefix=f"{self._loads}-")
        meter = Meter(self.server, self.world)
        result = self._run_beside("holdfast.app.bench.load", job, LoadResult, job.seconds, until)
        return Loaded(result, meter.read(result.seconds, load_s=result.cpu_s))

    def core(self, job: CoreJob) -> Done:
        """Run the core without HTTP in a process of its own, and say what it took of the processors."""
        meter = Meter(None, self.world)
        result = self._run_beside("holdfast.app.bench.core", job, CoreResult, job.seconds, None)
        return Done(result, meter.read(result.seconds, core_s=result.cpu_s))

    def _run_beside(self, module: str, job: Struct, result: type[R], seconds: float, until: Callable[[], None] | None) -> R:
        wanted, found, log = (self.world.root / name for name in ("job.json", "result.json", "job.log"))
        wanted.write_bytes(msgspec.json.encode(job))
        with log.open("wb") as output:
            child = subprocess.Popen(
                leashed([sys.executable, "-P", "-m", module, str(wanted), str(found)], signal.SIGTERM),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(self.environment), cwd=self.world.root,
            )  # fmt: skip
        try:
            if until is not None:
                until()
                child.terminate()
            code = child.wait(seconds + LOAD_PATIENCE_S)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        if code != 0:
            raise Fault(f"{module} failed:\n{log.read_text(errors='replace')[-3000:]}")
        return msgspec.json.decode(found.read_bytes(), type=result)

    def violations(self) -> list[str]:
        """The invariants that do not hold."""
        found = asyncio.run(examine_program(self.settings))
        return [f"{each.number} {each.name}, {each.violations} times: {each.rows[0]}" for each in found.findings if not each.holds]

    def _execute(self, statement: LiteralString, parameters: Mapping[str, object]) -> None:
        self._connection.execute(statement, parameters or None)


@contextmanager
def open_site(world: World, *, preloaded: int = 0, **settings: str) -> Iterator[Site]:
    """A database of its own, with so many holds of earlier in it, and the web server on it.

    ``settings`` are named as in the environment.
    """
    with world.database() as name, contextlib.closing(Site(world, name, world.environment(name, settings))) as site:
        site.start()
        if preloaded:
            site.preload(preloaded)
        yield site


def _settings(environment: Mapping[str, str]) -> Settings:
    names = {field.alias for field in Settings.model_fields.values()}
    given: dict[str, Any] = {name: value for name, value in environment.items() if name in names}
    # What a developer keeps in .env is none of our business.
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]


def _is_alive(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/livez", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (URLError, OSError):
        return False
