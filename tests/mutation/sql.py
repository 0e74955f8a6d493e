"""Mutants of the core's statements, and whether the tests notice: ``python -m tests.mutation.sql [FILE] [--only WORD ...] [--jobs N]``.

Each mutant is put into its Query in a fork of a process that has imported everything, which runs the tests that concern the file and
stops at the first failure. A mutant that PostgreSQL does not even parse proves nothing and is not counted.
"""

import argparse
import contextlib
import importlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psycopg
import pytest
from tests.clusters import Cluster
from tests.mutation.statements import Mutant, mutants_of
from tests.mutation.survivors import SURVIVORS

from holdfast.database.queries import read_queries

ROOT = Path(__file__).parents[2]
SECONDS_PER_TEST_MAX = 15
_QUIET = ("-n0", "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider", "--timeout", str(SECONDS_PER_TEST_MAX))


@dataclass(frozen=True)
class Target:
    """A queries.sql, and the tests that ought to notice what is wrong in it, the quickest first."""

    module: str
    tests: Sequence[str]

    @property
    def path(self) -> Path:
        return ROOT / "src" / Path(*self.module.split(".")).with_name("queries.sql")


TARGETS = {
    "inventory": Target("holdfast.inventory.repository", ("tests/inventory", "tests/bookings", "tests/concurrency/test_seats.py")),
    "bookings": Target("holdfast.bookings.repository", ("tests/bookings", "tests/concurrency/test_seats.py")),
    "idempotency": Target("holdfast.idempotency.repository", ("tests/idempotency", "tests/bookings")),
}


class Verdict(Enum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    EXPLAINED = "survived, explained"
    STILLBORN = "not parsed"


def mutants(target: Target, only: Sequence[str] = ()) -> list[Mutant]:
    """The mutants of a file, or those whose name contains one of ``only``."""
    found = read_queries(target.path.read_text(encoding="utf-8")).values()
    return [mutant for query in found for mutant in mutants_of(query) if not only or any(word in mutant.name for word in only)]


def is_parsed(connection: psycopg.Connection[tuple[object, ...]], mutant: Mutant) -> bool:
    """Whether PostgreSQL takes it for a statement: it is prepared, and not run."""
    numbers: dict[str, int] = {}
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", mutant.text).replace("%%", "%")
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"PREPARE mutant AS {text}".encode())
            connection.execute("DEALLOCATE mutant")
    except psycopg.errors.Error:
        # Failed, it was prepared all the same where only its rollback followed: nothing to give back.
        return False
    return True


def put_in(target: Target, mutant: Mutant) -> None:
    """From now on, in this process, the mutant is what the program runs."""
    query = getattr(importlib.import_module(target.module).SQL, mutant.query)
    query.text = mutant.text


def judge(target: Target, mutant: Mutant | None, log: Path) -> int:
    """Fork, put the mutant in, run the tests; returns the child's process id. It ends with pytest's exit code."""
    child = os.fork()
    if child:
        return child
    with log.open("w") as written:
        os.dup2(written.fileno(), 1)
        os.dup2(written.fileno(), 2)
        if mutant is not None:
            put_in(target, mutant)
        code = pytest.main([*_QUIET, *target.tests, "-k", "not control"])
        sys.stdout.flush()
    os._exit(int(code))


def verdicts(target: Target, wanted: Sequence[Mutant], *, jobs: int, logs: Path) -> Iterator[tuple[Mutant, Verdict, str]]:
    """Each mutant with what became of it, and the first words of what noticed."""
    running: dict[int, tuple[Mutant, Path]] = {}
    waiting = list(reversed(wanted))
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            log = logs / f"{len(waiting)}.log"
            running[judge(target, mutant, log)] = (mutant, log)
        child, status = os.wait()
        if child not in running:
            continue
        mutant, log = running.pop(child)
        match os.waitstatus_to_exitcode(status):
            case pytest.ExitCode.OK:
                yield mutant, Verdict.EXPLAINED if mutant.name in SURVIVORS else Verdict.SURVIVED, ""
            case pytest.ExitCode.TESTS_FAILED | pytest.ExitCode.INTERRUPTED:
                yield mutant, Verdict.KILLED, _who_noticed(log)
            case code:
                raise SystemExit(f"pytest ended with {code}:\n{log.read_text()}")


def _who_noticed(log: Path) -> str:
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log.read_text(), re.MULTILINE)
    return failed[1] if failed else ""


def born(target: Target, wanted: Sequence[Mutant]) -> tuple[list[Mutant], list[Mutant]]:
    """Mutants that are statements, and those that are none."""
    cluster = Cluster()
    name = cluster.create_database()
    try:
        with psycopg.connect(cluster.postgres.url("holdfast_app", name), autocommit=True) as connection:
            parsed = {mutant: is_parsed(connection, mutant) for mutant in wanted}
    finally:
        cluster.drop_database(name)
        cluster.stop()
    return [mutant for mutant in wanted if parsed[mutant]], [mutant for mutant in wanted if not parsed[mutant]]


def run(target: Target, *, only: Sequence[str] = (), jobs: int = 2) -> dict[Verdict, list[Mutant]]:
    """Judge the mutants of a file, and say how each fared."""
    alive, stillborn = born(target, mutants(target, only))
    found: dict[Verdict, list[Mutant]] = {verdict: [] for verdict in Verdict}
    found[Verdict.STILLBORN] = stillborn
    with tempfile.TemporaryDirectory() as directory:
        logs = Path(directory)
        # Everything is imported once, before the forks; and a suite that fails by itself kills every mutant.
        with (logs / "collect.log").open("w") as written, contextlib.redirect_stdout(written):
            assert pytest.main(["-n0", "-q", "--collect-only", "-p", "no:cacheprovider", *target.tests]) == pytest.ExitCode.OK
        _, status = os.waitpid(judge(target, None, logs / "sound.log"), 0)
        if status:
            raise SystemExit(f"The tests fail without any mutant:\n{(logs / 'sound.log').read_text()}")
        for mutant, verdict, by in verdicts(target, alive, jobs=jobs, logs=logs):
            found[verdict].append(mutant)
            print(f"{verdict.value:20} {mutant.name}{f'   by {by}' if by else ''}", flush=True)
    return found


def main() -> None:
    """Print what became of each, and fail where one survived that nobody has explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.sql", description=__doc__)
    parser.add_argument("file", nargs="?", default="inventory", choices=TARGETS)
    parser.add_argument("--only", nargs="+", default=(), help="mutants whose name contains one of these: 'lock_holds' 'SKIP LOCKED'")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="name them, and run nothing")
    chosen = parser.parse_args()
    target = TARGETS[chosen.file]
    if chosen.list:
        for mutant in mutants(target, chosen.only):
            print(mutant.name)
        return
    began = time.monotonic()
    found = run(target, only=chosen.only, jobs=chosen.jobs)
    print(", ".join(f"{len(each)} {verdict.value}" for verdict, each in found.items()) + f"; {time.monotonic() - began:.0f} s")
    if found[Verdict.SURVIVED]:
        raise SystemExit("Write a test that notices these, or say in tests/mutation/survivors.py why none can.")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
