"""The data directory of one installation."""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Self

import msgspec

from holdfast.app.embedded.account import STATE, Account, EmbeddedFault, InUse, make_directories

SOCKET = ".s.PGSQL.5432"
"""What PostgreSQL calls its socket."""


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
        make_directories(self.path, 0o700 if self.account is None else 0o711)
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
    trial = directory / f"{SOCKET}.lock"
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
