"""All cells of the table, or a sample of them, on a cluster of their own."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

from msgspec import Struct

from holdfast.app.crashpoints.cuts import Boundary, Cut
from holdfast.app.crashpoints.flows import FLOWS, Flow
from holdfast.app.crashpoints.stand import Stand
from holdfast.app.crashpoints.town import TOWN, Town
from holdfast.app.crashpoints.trial import Course, Trial
from holdfast.app.embedded import Home, PostgresServer, postgres_programs
from holdfast.app.faults import Fault
from holdfast.app.wiring import build_program

STANDS = 4
"""Trials at a time: some of them mostly wait."""

PATIENCE_S = 90.0
_SETTINGS = {"max_connections": "200", "checkpoint_timeout": "30min", "max_wal_size": "4GB"}

MEMORY_MIN_BYTES = 4 << 30
_SAY_EVERY = 50
_SAID_MAX = 3_000
DONE, REFUSED = "done", "refused"


Say = Callable[[str], None]


class Plan(Struct, frozen=True):
    """What is to be run. ``sample``: so many cells, drawn from ``seed``; none: all. ``at``: a part of the name of a boundary."""

    sample: int | None = None
    seed: int = 1
    only: tuple[str, ...] = ()
    at: str = ""


class Cell(Struct, frozen=True):
    """One flow, cut at one boundary in one way, and what came of it. ``wrong`` empty is good."""

    flow: str
    boundary: Boundary
    cut: Cut
    outcome: str
    wrong: Sequence[str]


class Table(Struct, frozen=True):
    """What was run. ``boundaries``: those of each flow, in their order."""

    boundaries: dict[str, list[Boundary]]
    cells: list[Cell]
    seconds: float

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.wrong]


class _Start(Struct, frozen=True):
    """What a flow begins with, and what comes of it where nothing goes wrong."""

    flow: Flow
    database: str
    bank_file: Path
    known: dict[str, str]
    course: Course


class Wanted(Struct, frozen=True):
    """A cut that is to be tried."""

    start: _Start
    at: Boundary
    cut: Cut


class CrashPoints:
    """Stands on a cluster, with a start for each flow."""

    def __init__(self, town: Town, stands: Sequence[Stand], directory: Path) -> None:
        self._town = town
        self._stands = stands
        self._directory = directory
        program = build_program(stands[0].settings)
        self._consumers = [*(reader.name for reader in program.consumers), *(reader.name for reader in program.followers)]

    async def run(self, plan: Plan, say: Say) -> Table:
        """Record every flow that is wanted, then cut it where the plan says. Raises Fault where a flow goes wrong without any cut."""
        cells = await self.record(choose(plan.only), say)
        wanted = [cell for cell in cells if plan.at in cell.at.what]
        if plan.sample is not None and plan.sample < len(wanted):
            drawn = set(Random(plan.seed).sample(range(len(wanted)), plan.sample))  # noqa: S311 - it decides what is tried.
            wanted = [cell for number, cell in enumerate(wanted) if number in drawn]
        return await self.cut(wanted, say)

    async def record(self, flows: Sequence[Flow], say: Say) -> list["Wanted"]:
        """Run flows without any cut, and find out where and how they can be cut. Raises Fault where one goes wrong."""
        found: list[Wanted] = []
        for flow in flows:
            start = await self._record(flow)
            say(f"{flow.name}: {len(start.course.seen)} boundaries, {' / '.join(start.course.told) or 'nobody asks'}")
            found += [Wanted(start, at, cut) for at in start.course.seen for cut in at.cuts]
        return found

    async def cut(self, wanted: Sequence["Wanted"], say: Say) -> Table:
        """Run flows once for each cut."""
        began = asyncio.get_running_loop().time()
        found: dict[int, Cell] = {}
        waiting = iter(list(enumerate(wanted)))

        async def work_at(stand: Stand) -> None:
            for number, each in waiting:
                cell = found[number] = await self._cut(stand, each.start, each.at, each.cut)
                if cell.wrong:
                    say(f"WRONG {cell.flow}, {cell.boundary.number} {cell.boundary.what}, {cell.cut.value}: {cell.wrong[0]}")
                if len(found) % _SAY_EVERY == 0:
                    say(f"{len(found)} of {len(wanted)}")

        async with asyncio.TaskGroup() as group:
            for stand in self._stands:
                group.create_task(work_at(stand))
        boundaries = {each.start.flow.name: list(each.start.course.seen) for each in wanted}
        return Table(boundaries, [found[number] for number in sorted(found)], asyncio.get_running_loop().time() - began)

    async def _record(self, flow: Flow) -> _Start:
        stand, name = self._stands[0], flow.name.replace(" ", "_").replace("-", "_")
        database, bank_file = f"crash_flow_{name}", self._directory / f"{name}.sqlite3"
        trial = Trial(stand, flow, self._consumers)
        await trial.prepare(TOWN, database, bank_file)
        known = dict(trial.known)
        course = await Trial(stand, flow, self._consumers, known).run(database, bank_file)
        if course.wrong:
            said = stand.log.read_text(errors="replace")[-_SAID_MAX:]
            raise Fault(f"{flow.name} goes wrong without any cut: {'; '.join(course.wrong)}\n{said}")
        return _Start(flow, database, bank_file, known, course)

    async def _cut(self, stand: Stand, start: _Start, at: Boundary, cut: Cut) -> Cell:
        trial = Trial(stand, start.flow, self._consumers, start.known)
        try:
            async with asyncio.timeout(PATIENCE_S):
                course = await trial.run(start.database, start.bank_file, at, cut)
        except TimeoutError:
            return Cell(start.flow.name, at, cut, "wrong", [f"it came to no end within {PATIENCE_S:.0f} s"])
        outcome, wrong = judge(start, course)
        return Cell(start.flow.name, at, cut, outcome, [*course.wrong, *wrong])


def judge(start: _Start, course: Course) -> tuple[str, list[str]]:
    """What a course came to, and what is not as it must be: who was told the same has the same, and who was refused has nothing."""
    if course.told == start.course.told:
        different = sorted(set(course.facts.items()) ^ set(start.course.facts.items()))
        return DONE, [f"there is {what}: {many}, or was without the cut" for what, many in different]
    if start.flow.refused:
        different = [(what, course.facts.get(what, 0)) for what, many in start.flow.refused.items() if course.facts.get(what, 0) != many]
        return f"{REFUSED}: {course.told[-1]}", [f"there is {what}: {many}, though it was refused" for what, many in different]
    return "wrong", [f"told {' / '.join(course.told)}"]


def choose(only: Sequence[str]) -> list[Flow]:
    """The flows of these names, or all. Raises Fault."""
    known = {flow.name: flow for flow in FLOWS}
    for name in only:
        if name not in known:
            raise Fault(f"There is no flow {name!r}; there are {', '.join(known)}.")
    return [known[name] for name in only] if only else list(FLOWS)


@asynccontextmanager
async def open_crash_points(
    postgres: PostgresServer, directory: Path, *, stands: int = STANDS, patch: str = ""
) -> AsyncIterator[CrashPoints]:
    """Everything, on a cluster that runs. ``patch``: MODULE:FUNCTION that changes the program before it is built: for controls."""
    town = await Town.found(postgres)
    try:
        async with AsyncExitStack() as stack:
            opened = [Stand(town, directory / f"stand-{number}", number, patch=patch) for number in range(1, stands + 1)]
            for stand in opened:
                await stack.enter_async_context(stand.opened())
            yield CrashPoints(town, opened, directory)
    finally:
        await town.close()


@contextmanager
def own_cluster() -> Iterator[tuple[PostgresServer, Path]]:
    """A PostgreSQL for this alone, in memory where there is enough of it: what is killed here is a process, never the machine."""
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes it ours.
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_MIN_BYTES
    root = Path(tempfile.mkdtemp(prefix="holdfast-crash-", dir=memory if has_room else None))
    # As root, PostgreSQL runs as nobody, who must be able to pass.
    root.chmod(0o711)
    try:
        with Home(root / "data") as home:
            postgres = PostgresServer(
                home.path / "postgres", home.sockets, home.secrets,
                programs=postgres_programs(home.account), account=home.account, settings=_SETTINGS,
            )  # fmt: skip
            try:
                postgres.start(root / "postgres.out")
                yield postgres, root
            finally:
                postgres.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)
