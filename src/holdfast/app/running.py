"""What a running ``up`` tells other commands about itself, in a file of its data directory that only its owner can read."""

import fcntl
import os
from pathlib import Path

import msgspec

from holdfast.app.faults import Fault

CHECKOUT = Path(__file__).parents[3]
DEFAULT_DATA = CHECKOUT / ".holdfast"
_FILE = "running.json"


class Running(msgspec.Struct, frozen=True):
    """One running installation. ``environment`` holds the settings of its processes, and the database's owner."""

    pid: int
    base_url: str
    environment: dict[str, str]

    def write(self, directory: Path) -> None:
        """Announce it."""
        fresh = directory / f"{_FILE}.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self))
        fresh.rename(directory / _FILE)


def find_running(wanted: Path | None = None) -> Running:
    """The installation that runs on a data directory, or on the usual one. Raises Fault where there is none."""
    from holdfast.app.embedded import Home

    path = Home((wanted or DEFAULT_DATA).absolute()).path
    if not _is_locked(path / "lock") or not (path / _FILE).exists():
        raise Fault(f"No Holdfast runs on {path}. Start it with `./holdfast up`, name its directory with --data, or set DATABASE_URL.")
    return msgspec.json.decode((path / _FILE).read_bytes(), type=Running)


def was_killed(directory: Path) -> bool:
    """Whether the last ``up`` of this directory, which we hold now, could not clean up."""
    return (directory / _FILE).exists()


def forget(directory: Path) -> None:
    """Take the announcement back."""
    (directory / _FILE).unlink(missing_ok=True)


def _is_locked(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise Fault(f"{lock.parent} belongs to somebody else. Run this as the user who runs `up`.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
