"""What an answer or a row took: samples of what was done, and the shares of the processors that went into it."""

import contextlib

import psutil
from msgspec import Struct

from holdfast.app.bench.core import CoreResult
from holdfast.app.bench.figures import Cpu, Sample
from holdfast.app.bench.load import LoadResult
from holdfast.app.bench.world import World


class Loaded(Struct, frozen=True):
    """What a load found, and what all took of the processors for it."""

    result: LoadResult
    cpu: Cpu

    def sample(self, done: int, *expected: int) -> Sample:
        """A sample of which ``done`` is what really happened: answers that say otherwise are errors."""
        result = self.result
        errors = result.unexpected + abs(result.count(*expected) - done)
        note = result.first_unexpected if result.unexpected else f"{result.count(*expected)} answers, {done} in the database"
        return Sample(
            rate=done / result.seconds,
            errors=errors,
            p50_ms=result.p50_ms,
            p95_ms=result.p95_ms,
            p99_ms=result.p99_ms,
            cpu=self.cpu,
            note=note if errors else "",
        )


class Done(Struct, frozen=True):
    """What the core did, and what all took of the processors for it."""

    result: CoreResult
    cpu: Cpu

    def sample(self, done: int) -> Sample:
        """A sample of which ``done`` is what really happened."""
        result = self.result
        return Sample(
            rate=done / result.seconds,
            errors=result.errors + abs(result.done - done),
            p50_ms=result.p50_ms,
            p95_ms=result.p95_ms,
            p99_ms=result.p99_ms,
            cpu=self.cpu,
            note=result.first_error or (f"{result.done} answers, {done} in the database" if result.done != done else ""),
        )


class Meter:
    """What a web server, where one has a part in it, and PostgreSQL take of the processors from now on."""

    def __init__(self, server: psutil.Process | None, world: World) -> None:
        self._server = server
        self._world = world
        self._began = self._seconds()

    def read(self, seconds: float, *, load_s: float = 0.0, core_s: float = 0.0) -> Cpu:
        """Shares of all processors over ``seconds``. ``load_s`` and ``core_s`` are what the other processes say that they took."""
        server, postgres = (after - before for after, before in zip(self._seconds(), self._began, strict=True))
        whole = seconds * (psutil.cpu_count() or 1)
        return Cpu(*(round(part / whole, 3) for part in (server + core_s, postgres, load_s)))

    def _seconds(self) -> tuple[float, float]:
        own, postgres = 0.0, 0.0
        if self._server is not None:
            taken = self._server.cpu_times()
            own = taken.user + taken.system
        for number, process in enumerate(self._world.backends()):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                # A child that ended counts as its parent's.
                postgres += times.user + times.system + (times.children_user + times.children_system if number == 0 else 0.0)
        return own, postgres
