"""PostgreSQL as a child of ours."""

import locale
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import pq

from holdfast.app.embedded.account import ENVIRONMENT, Account, EmbeddedFault, fault
from holdfast.app.embedded.home import SOCKET, Secrets
from holdfast.app.embedded.server import POLL_S, STOP_TIMEOUT_S, Server
from holdfast.app.leash import leashed

_BUILTIN_LOCALES_SINCE = 17

# Safety is never traded for speed: given on the command line, so that no file can turn it off.
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    # The details of an error quote values, and values can be people's phones.
    "log_error_verbosity": "terse",
    "log_line_prefix": "%m [%p] %a ",
}


class PostgresServer(Server):
    """A PostgreSQL cluster in ``directory``, reached through a socket in ``sockets``, with the roles and the database of Holdfast."""

    name = "postgres"
    # A fast shutdown: open transactions are rolled back, nothing waits for clients.
    stop_signal = signal.SIGINT
    # The quickest end that still takes its own children along.
    kill_signal = signal.SIGQUIT

    def __init__(
        self,
        directory: Path,
        sockets: Path,
        passwords: Secrets,
        *,
        programs: Path,
        account: Account | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """``programs`` is the directory of PostgreSQL's programs; ``settings`` are server settings beyond our own."""
        super().__init__(account)
        self.directory = directory
        self.sockets = sockets
        self._passwords = passwords
        self._programs = programs
        self._settings = _SETTINGS | dict(settings or {})

    def url(self, role: str, database: str = "holdfast") -> str:
        """The libpq URI of a database as ``postgres`` (the superuser), ``holdfast_owner`` or ``holdfast_app``."""
        password = {"postgres": self._passwords.postgres, "holdfast_owner": self._passwords.owner, "holdfast_app": self._passwords.app}[
            role
        ]
        return f"postgresql://{role}:{quote(password, safe='')}@/{quote(database)}?host={quote(str(self.sockets), safe='')}"

    @property
    def superuser_url(self) -> str:
        return self.url("postgres", "postgres")

    @property
    def owner_url(self) -> str:
        return self.url("holdfast_owner")

    @property
    def app_url(self) -> str:
        return self.url("holdfast_app")

    @property
    def log_directory(self) -> Path:
        return self.directory / "log"

    def prepare(self) -> None:
        major = _major(self._programs)
        if not self.directory.exists():
            self._initialise(major)
        made_by = (self.directory / "PG_VERSION").read_text().strip()
        if made_by != str(major):
            raise EmbeddedFault(
                f"{self.directory} was made by PostgreSQL {made_by}, and this is PostgreSQL {major}."
                " Move the data with pg_dump and pg_restore, or choose another directory with --data."
            )
        self._end_what_a_crash_left()

    def command(self) -> list[str]:
        settings = self._settings | {"unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.directory), *options]

    def is_ready(self) -> bool:
        return pq.PGconn.ping(self.superuser_url.encode()) == pq.Ping.OK

    def start(self, output: Path) -> None:
        super().start(output)
        self.set_up_roles()

    def set_up_roles(self) -> None:
        """Make the two roles and the database with ``deploy/roles.sql``, unless they are there."""
        try:
            psycopg.connect(self.app_url, connect_timeout=5).close()
        except psycopg.OperationalError:
            self._run_roles()

    def _run_roles(self) -> None:
        variables = f"\\set owner_password '{self._passwords.owner}'\n\\set app_password '{self._passwords.app}'\n"
        script = variables + (Path(__file__).parents[4] / "deploy" / "roles.sql").read_text()
        done = subprocess.run(
            [str(self._programs / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", self.superuser_url],
            check=False, input=script, capture_output=True, text=True, env=ENVIRONMENT, cwd="/",
        )  # fmt: skip
        if done.returncode != 0:
            raise fault("The roles could not be made", done.stderr)

    def _initialise(self, major: int) -> None:
        """Make the cluster in a directory beside, so that an interrupted try leaves nothing that looks finished."""
        fresh = self.directory.with_name(self.directory.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(0o700, parents=False)
        password = fresh.with_name("password")
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._passwords.postgres)
        try:
            self._give(fresh, password)
            # Names sort by code point on every supported version; the wheel has no ICU.
            provider = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if major >= _BUILTIN_LOCALES_SINCE else []
            command = [
                str(self._programs / "initdb"), "-D", str(fresh), "--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256",
                "--encoding=UTF8", f"--locale={_utf8_locale()}", *provider, "--lc-messages=C", "--data-checksums", "--no-instructions",
            ]  # fmt: skip
            done = subprocess.run(
                leashed(command, signal.SIGTERM, self.account),
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                env=ENVIRONMENT,
                cwd="/",
            )
            if done.returncode != 0:
                raise fault("PostgreSQL could not make its files", done.stderr + done.stdout)
            fresh.rename(self.directory)
        finally:
            password.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)

    def _give(self, *paths: Path) -> None:
        if self.account is not None:
            for path in paths:
                os.chown(path, *self.account)

    def _end_what_a_crash_left(self) -> None:
        """Wait for the server of a parent that was killed, and remove its marks: the lock on the data directory is ours."""
        mark = self.directory / "postmaster.pid"
        try:
            pid = int(mark.read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            pid = 0
        if pid and _works_in(pid, self.directory):
            for ending in (self.stop_signal, self.kill_signal):
                os.kill(pid, ending)
                deadline = time.monotonic() + STOP_TIMEOUT_S
                while _works_in(pid, self.directory) and time.monotonic() < deadline:
                    time.sleep(POLL_S)
            if _works_in(pid, self.directory):
                raise EmbeddedFault(f"A PostgreSQL server (process {pid}) still uses {self.directory} and does not stop.")
        mark.unlink(missing_ok=True)
        for left in (self.sockets / SOCKET, self.sockets / f"{SOCKET}.lock"):
            left.unlink(missing_ok=True)


def _major(programs: Path) -> int:
    asked = subprocess.run([str(programs / "postgres"), "--version"], check=True, capture_output=True, text=True, env=ENVIRONMENT)
    return int(asked.stdout.split("(PostgreSQL)")[1].split()[0].split(".")[0])


def _utf8_locale() -> str:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    except locale.Error:
        return "C"
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return "C.UTF-8"


def _works_in(pid: int, directory: Path) -> bool:
    """Whether a process lives that is a PostgreSQL server of this directory, rather than a stranger with a reused number."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == directory.resolve() and Path(f"/proc/{pid}/exe").readlink().name == "postgres"
    except OSError:
        return False
