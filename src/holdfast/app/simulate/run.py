"""One simulated day, from the first driver to the verdict."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from rich.console import Console
from rich.live import Live

from holdfast.app.faults import Fault
from holdfast.app.simulate.acknowledged import Acknowledged
from holdfast.app.simulate.admins import ADMIN_BEHAVIOURS, Admin
from holdfast.app.simulate.board import Board, show_behaviours, show_figures, show_findings
from holdfast.app.simulate.drivers import DRIVER_BEHAVIOURS, Driver
from holdfast.app.simulate.passengers import LISTENERS_MAX, PASSENGER_BEHAVIOURS, SHARE_LISTENING, Passenger
from holdfast.app.simulate.person import Surroundings
from holdfast.app.simulate.places import Places, read_places
from holdfast.app.simulate.plan import PHONES_MAX, Plan, dice
from holdfast.app.simulate.tally import Tally
from holdfast.app.simulate.trips import HOLD_BOUND, TRIPS, Deck
from holdfast.app.simulate.verdict import contradictions, unheard
from holdfast.app.simulate.wire import Wire
from holdfast.app.simulate.world import World, open_world

ADMINS = 3
SHOWN_EVERY_S = 10.0
LATE_S_MAX = 150.0
MEMORY_FROM_S = 30.0
LONGEST_HOLD_S = 30.0
"""Where holds live longer than this, nobody waits for one to lapse."""
_MEBIBYTE = 1024 * 1024


async def simulate(plan: Plan, console: Console) -> int:
    """Simulate a day; returns the exit code: 0 where everything held. Raises Fault."""
    if plan.drivers + plan.passengers > PHONES_MAX:
        raise Fault(f"There are only {PHONES_MAX:,} test phones.")
    if plan.kill and plan.base_url is not None:
        raise Fault("--kill hurts only a world of its own: leave out --base-url.")
    async with open_world(plan, console.print) as world:
        return await Day(plan, world, console).pass_by()


class Day:
    """A day in a world."""

    def __init__(self, plan: Plan, world: World, console: Console) -> None:
        self._plan = plan
        self._world = world
        self._console = console
        self._tally = Tally()
        self._rng = dice(plan.seed)
        self._around = Surroundings(Wire(world.base_url), self._tally, Acknowledged())
        self._left_out = HOLD_BOUND if world.settings.hold_seconds > LONGEST_HOLD_S else frozenset()
        self._memory: list[tuple[float, int]] = []
        self._killed: list[str] = []

    async def pass_by(self) -> int:
        """From morning to night, and the reckoning."""
        admins = await self._invite_admins()
        drivers, passengers = self._populate(await read_places(admins[0], self._rng))
        listeners = passengers[: min(max(int(SHARE_LISTENING * len(passengers)), 5), LISTENERS_MAX)]
        began = time.monotonic()
        async with _beside(*(person.listen(self._world.base_url) for person in listeners)):
            async with self._shown(), _beside(*(admin.live() for admin in admins)) as office:
                async with _beside(self._watch_memory()), _beside(self._hurt()) as hurting:
                    await self._let_them_live(drivers, passengers)
                    await hurting
                seconds = time.monotonic() - began
                for admin in admins:
                    admin.is_done = True
                await office
            self._console.print("the day is over; waiting until money has settled, then comparing ...")
            wrong = await contradictions(self._around.acknowledged, admins[0])
            wrong += await unheard(listeners)
        await self._around.wire.close()
        return await self._judge(wrong, seconds)

    async def _invite_admins(self) -> list[Admin]:
        # Outside of the range of test phones: nobody becomes an admin with a code that everybody knows.
        phones = [f"+20112{self._rng.randrange(10**7):07}" for _ in range(ADMINS)]
        admins = [Admin(self._around, phone, dice(self._plan.seed, phone)) for phone in phones]
        invitations = await asyncio.gather(*(self._world.invite_admin(phone) for phone in phones))
        for admin, (challenge_id, code) in zip(admins, invitations, strict=True):
            await admin.answer_challenge(challenge_id, code)
        return admins

    def _populate(self, places: Places) -> tuple[list[Driver], list[Passenger]]:
        plan = self._plan
        # In a world that goes on, the phones of an earlier day are taken.
        first = self._rng.randrange(PHONES_MAX) if plan.base_url is None else int.from_bytes(os.urandom(4))
        phones = [f"+2010000{(first + number) % PHONES_MAX:05}" for number in range(plan.drivers + plan.passengers)]
        deck = Deck(self._tally, tuple(trip for trip in TRIPS if trip.name not in self._left_out))
        self._console.print(
            f"{plan.drivers} drivers and {plan.passengers:,} passengers for {plan.seconds:.0f} s, seed {plan.seed},"
            f" at {self._world.base_url}"
        )
        return (
            [Driver(self._around, phone, dice(plan.seed, number), places) for number, phone in enumerate(phones[: plan.drivers])],
            [Passenger(self._around, phone, dice(plan.seed, -number), deck) for number, phone in enumerate(phones[plan.drivers :], 1)],
        )

    async def _let_them_live(self, drivers: Sequence[Driver], passengers: Sequence[Passenger]) -> None:
        """Until the day is over and everybody has finished what they were about."""
        seconds, rng = self._plan.seconds, self._rng
        lives: list[Coroutine[Any, Any, None]] = [driver.live(rng.uniform(0, seconds * 0.08)) for driver in drivers]
        lives += [person.live(rng.uniform(0, seconds * 0.8), self._plan.pause_s) for person in passengers]
        async with _beside(*lives) as everybody:
            await asyncio.sleep(seconds)
            self._around.is_over.set()
            try:
                async with asyncio.timeout(LATE_S_MAX):
                    await asyncio.shield(everybody)
            except TimeoutError:
                self._tally.fault(f"some people were still waiting for answers {LATE_S_MAX:.0f} s after the end of the day")

    async def _hurt(self) -> None:
        """kill -9, at even distances."""
        for name in self._plan.kill:
            await asyncio.sleep(self._plan.seconds / (len(self._plan.kill) + 1))
            back_after = await self._world.kill(name)
            if back_after is None:
                self._tally.fault(f"{name} was killed and did not come back")
            else:
                self._killed.append(f"{name}, started again after {back_after:.1f} s")

    async def _watch_memory(self) -> None:
        began = time.monotonic()
        while True:
            memory = self._world.web_memory()
            if memory is not None:
                self._memory.append((time.monotonic() - began, memory))
            await asyncio.sleep(1.0)

    @asynccontextmanager
    async def _shown(self) -> AsyncIterator[None]:
        board = Board(self._plan, self._tally)
        if self._console.is_terminal:
            with Live(board, console=self._console, refresh_per_second=2, transient=True):
                yield
            return

        async def print_lines() -> None:
            while True:
                await asyncio.sleep(SHOWN_EVERY_S)
                self._console.print(board.line())

        async with _beside(print_lines()):
            yield

    async def _judge(self, wrong: Sequence[str], seconds: float) -> int:
        examination = await self._world.examine()
        broken = [f"{f.number}, {f.violations} times: {f.meaning} {f.rows}" for f in examination.findings if not f.holds]
        alarms = self._world.alarms(was_hurt=bool(self._plan.kill))
        expected = [name for name in (*PASSENGER_BEHAVIOURS, *DRIVER_BEHAVIOURS, *ADMIN_BEHAVIOURS) if name not in self._left_out]
        rare = show_behaviours(self._console, self._tally, expected, judged=self._plan.judges_behaviours)
        show_findings(
            self._console,
            {
                "Killed with kill -9": self._killed,
                "Not tried, because holds live too long here": sorted(self._left_out),
                "Could not be judged": examination.notes,
                "Acknowledged, and not so": wrong,
                "Violations": broken,
                "Faults": self._tally.faults,
                "Alarms in the log": alarms,
                "Happened too rarely": rare,
            },
        )
        show_figures(self._console, self._tally, seconds)
        self._console.print(self._memory_line())
        acknowledged = self._around.acknowledged
        failed = bool(wrong or broken or alarms or rare or self._tally.fault_count)
        self._world.keeps_its_log = failed
        confirmed = sum(booking.is_confirmed for booking in acknowledged.bookings.values())
        self._console.print(
            f"{confirmed:,} bookings confirmed; {acknowledged.count:,} promises, {len(wrong)} broken;"
            f" {len(examination.findings)} invariants, {examination.violations} violations; {self._tally.fault_count} faults:"
            f" {'FAILED' if failed else 'everything held'}",
            style="bold red" if failed else "bold green",
        )
        return 1 if failed else 0

    def _memory_line(self) -> str:
        if not self._memory:
            return "Memory of the web server: not ours to see"
        if "web" in self._plan.kill:
            return f"Memory of the web server: {self._memory[-1][1] / _MEBIBYTE:.0f} MiB at the end; it was killed in between"
        after = next((memory for at, memory in self._memory if at >= MEMORY_FROM_S), self._memory[0][1]) / _MEBIBYTE
        last = self._memory[-1][1] / _MEBIBYTE
        return f"Memory of the web server: {after:.0f} MiB after 30 s, {last:.0f} MiB at the end: {last - after:+.1f} MiB"


@asynccontextmanager
async def _beside(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[Awaitable[Any]]:
    """Run these while the block runs, at most. What is given is done when all of them are, and raises what they raise."""
    together = asyncio.gather(*coroutines)
    try:
        yield together
    finally:
        together.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await together
