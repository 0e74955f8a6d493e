"""Trying one scenario: its orders, its judge, and the script of an order that failed."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from math import factorial, prod

import psycopg
from tests.interleavings.explorer import Exploration, Failure, explore, follow, wander
from tests.interleavings.footprints import CLOCK
from tests.interleavings.scenarios import Scenario, is_fault, said
from tests.interleavings.scheduler import Decide, GatedDatabase, Run, Scheduler, Step
from tests.interleavings.town import Facts, State, Town
from tests.shop import Shop

from holdfast.bookings import seats
from holdfast.database import Database


@dataclass
class Trial:
    """One scenario, arranged and ready to be run again and again."""

    scenario: Scenario
    town: Town
    facts: Facts
    scheduler: Scheduler
    shops: dict[str, Shop]
    serial_outcomes: set[str] = field(default_factory=set)
    outcomes: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    """What is wrong even when the actors come one after the other: the scenario itself, then."""

    async def run_once(self, decide: Decide) -> Run:
        await self.town.put_back()
        return await self.scheduler.run(self._deeds(), decide, lapses=self._lapses)

    async def judge(self, run: Run) -> str:
        """What is wrong with how a run ended, or nothing."""
        state = await self.town.look()
        words = self._words(run)
        outcome = _outcome(words, state)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        faults = [f"{name}: {result!r}" for name, result in run.results.items() if is_fault(result)]
        if faults:
            return "unexpected: " + "; ".join(faults)
        if state.broken:
            return "broken: " + "; ".join(state.broken)
        wrong = self.scenario.judge(words, state, run) if self.scenario.judge else ""
        if wrong:
            return f"{wrong}: {outcome}"
        if self.scenario.serial and outcome not in self.serial_outcomes:
            return f"no order of whole transactions comes to this: {outcome}"
        return ""

    async def learn_serial_outcomes(self) -> str:
        """Run the actors one after the other, in every order of them; says what is wrong with that already."""
        for order in itertools.permutations(self.scenario.deeds):
            run = await self.run_once(_in_turn(order))
            words = self._words(run)
            self.serial_outcomes.add(_outcome(words, await self.town.look()))
            if reason := await self.judge(run):
                return reason
        self.outcomes.clear()
        return ""

    async def explore(self, *, orders_max: int | None = None, reduce: bool = True) -> Exploration:
        """Run every order that can make a difference, or with ``reduce`` False every order."""
        return await explore(self.run_once, self.judge, orders_max=orders_max, reduce=reduce)

    async def wander(self, *, orders: int, seed: int) -> Exploration:
        """Run orders that are drawn by chance."""
        return await wander(self.run_once, self.judge, orders=orders, seed=seed)

    async def follow(self, script: Sequence[tuple[str, str]]) -> tuple[Run, str]:
        """One order again, and what is wrong with it."""
        run = await follow(self.run_once, script)
        return run, run.no_end or await self.judge(run)

    def _words(self, run: Run) -> dict[str, str]:
        words = {name: said(result) for name, result in run.results.items()}
        return {name: self.scenario.alike.get(word, word) for name, word in words.items()}

    @property
    def _lapses(self) -> bool:
        return self.town.lapses or CLOCK in self.scenario.deeds

    def _deeds(self) -> dict[str, Callable[[], Awaitable[object]]]:
        return {
            name: self.town.pass_time if name == CLOCK else partial(deed, self.shops[name], self.facts)
            for name, deed in self.scenario.deeds.items()
        }


@asynccontextmanager
async def trial(scenario: Scenario, database_url: str, owner_url: str) -> AsyncIterator[Trial]:
    """Arrange a scenario in a database of its own.

    Each actor keeps his program from run to run, which is most of what a run would cost; so nobody may remember what was sold out.
    """
    databases = {name: GatedDatabase(database_url) for name in scenario.deeds if name != CLOCK}
    arranging = Database(database_url, name="interleavings start")
    remembered, seats.REMEMBERED_S = seats.REMEMBERED_S, 0.0
    async with (
        await psycopg.AsyncConnection.connect(owner_url, autocommit=True) as owner,
        await psycopg.AsyncConnection.connect(database_url, autocommit=True) as watch,
    ):
        try:
            town = Town(owner, arranging)
            facts = await town.arrange(scenario.start)
            shops = {name: facts.shop(database) for name, database in databases.items()}
            found = Trial(scenario, town, facts, Scheduler(watch, databases), shops)
            found.fault = await found.learn_serial_outcomes()
            yield found
        finally:
            seats.REMEMBERED_S = remembered
            await arranging.close()
            for database in databases.values():
                await database.close()


def all_orders(found: Exploration) -> int:
    """How many orders there would be of the statements of these actors, if none ever waited: the multinomial coefficient."""
    steps = found.steps.values()
    return factorial(sum(steps)) // prod(factorial(each) for each in steps)


def script_of(scenario: str, guard: str | None, failure: Failure) -> str:
    """A failure as text that a person can read, and that can be run again."""
    lines = [f"# {failure.reason}", f"scenario: {scenario}"]
    if guard:
        lines.append(f"without: {guard}")
    wide = max((len(step.actor) for step in failure.run.steps), default=0)
    lines += [_line(step, wide) for step in failure.run.steps]
    lines += [f"# {name} came to: {said(result)}" for name, result in failure.run.results.items()]
    return "\n".join(lines)


def read_script(text: str) -> tuple[str, str | None, list[tuple[str, str]]]:
    """The scenario, the control if any, and the steps of a script."""
    head: dict[str, str] = {}
    steps: list[tuple[str, str]] = []
    for line in text.splitlines():
        body = line.split("#")[0].rstrip()
        if not body:
            continue
        name, mark, rest = body.partition(":")
        if mark and name in ("scenario", "without"):
            head[name] = rest.strip()
            continue
        actor, _, step = body.partition(" | ")
        steps.append((actor.strip(), step.strip()))
    return head["scenario"], head.get("without"), steps


def _line(step: Step, wide: int) -> str:
    waits = f"   # waits for {' and '.join(sorted(step.waited_for))}" if step.waited_for else ""
    return f"{step.actor:{wide}} | {step.name}{waits}"


def _in_turn(order: Sequence[str]) -> Decide:
    return lambda ready: min(ready, key=lambda step: order.index(step.actor)).actor


def _outcome(words: dict[str, str], state: State) -> str:
    return "; ".join(
        [
            *(f"{name}: {word}" for name, word in sorted(words.items())),
            f"pools: {', '.join(state.pools)}",
            f"bookings: {', '.join(state.bookings)}",
            f"session: {state.session}",
        ]
    )
