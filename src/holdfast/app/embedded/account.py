"""Whom the servers run as, and plain words for what can go wrong with them."""

import os
import pwd
import subprocess
from pathlib import Path
from typing import NamedTuple, Self

from holdfast.app.faults import Fault

STATE = Path("/var/lib/holdfast")
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


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
        done = subprocess.run(trial, check=False, user=self.uid, group=self.gid, extra_groups=[], cwd="/", env=ENVIRONMENT)
        return done.returncode == 0


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


def make_directories(path: Path, mode: int) -> None:
    """Make a directory with ``mode`` and those above it, leaving alone what exists."""
    if path.exists():
        return
    make_directories(path.parent, 0o755)
    path.mkdir(exist_ok=True)
    path.chmod(mode)
