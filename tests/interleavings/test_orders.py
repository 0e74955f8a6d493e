"""Every order of the statements of two or three of the program's own transactions that can make a difference.

Each guard is taken away once, and must then be missed: an explorer that finds nothing without it would find nothing at all.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from tests.controls import taken_away
from tests.interleavings.controls import SABOTAGES
from tests.interleavings.explorer import Diverged, Exploration
from tests.interleavings.scenarios import PAIRS, SCENARIOS, TRIPLES, Scenario
from tests.interleavings.trial import Trial, all_orders, read_script, script_of, trial

SMALL = 400
"""Of a scenario with at most so many orders all are run without reduction, too."""
DRAWN = 10
DRAWN_SLOWLY = 2000

# What is asked for, whoever takes scenarios away.
PAIRS_MIN = 20
TRIPLES_MIN = 5


@asynccontextmanager
async def trial_of(scenario: Scenario, database_url: str, owner_url: str) -> AsyncIterator[Trial]:
    async with trial(scenario, database_url, owner_url) as tried:
        assert not tried.fault, f"{scenario.name}, one after the other: {tried.fault}"
        yield tried


def assert_right(scenario: Scenario, found: Exploration) -> None:
    if found.failure is not None:
        pytest.fail(f"an order that goes wrong:\n\n{script_of(scenario.name, None, found.failure)}\n", pytrace=False)


def test_as_many_meet_as_were_asked_for() -> None:
    assert len(PAIRS) >= PAIRS_MIN
    assert all(len(pair.deeds) == 2 for pair in PAIRS)
    assert len(TRIPLES) >= TRIPLES_MIN
    assert all(len(triple.deeds) == 3 for triple in TRIPLES)
    assert len(SCENARIOS) == len(PAIRS) + len(TRIPLES), "two scenarios of one name"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SCENARIOS)
async def test_every_order_is_right(database_url: str, owner_url: str, name: str, request: pytest.FixtureRequest) -> None:
    """And reduction lost nothing: what was not run comes to nothing else, all of it where it is little, else some drawn by chance."""
    scenario = SCENARIOS[name]
    async with trial_of(scenario, database_url, owner_url) as tried:
        found = await tried.explore()
        assert_right(scenario, found)
        assert found.whole
        # That the actors meet at all: with one order there is nothing to be explored.
        assert found.orders > 1
        reduced = set(tried.outcomes)
        print(f"\n{name}: {found.orders} of {all_orders(found):,} orders, {len(reduced)} outcomes, {found.cut_short} cut short")
        if all_orders(found) <= SMALL:
            others = await tried.explore(reduce=False)
            assert others.whole
        else:
            others = await tried.wander(orders=DRAWN_SLOWLY if request.config.getoption("--slow") else DRAWN, seed=1)
        assert_right(scenario, others)
        assert set(tried.outcomes) == reduced


@pytest.mark.parametrize("guard", SABOTAGES)
async def test_without_a_guard_an_order_goes_wrong(database_url: str, owner_url: str, guard: str) -> None:
    """And the script of that order leads there again, and nowhere with the guard in its place."""
    sabotage = SABOTAGES[guard]
    scenario = SCENARIOS[sabotage.scenario]
    async with trial_of(scenario, database_url, owner_url) as tried, taken_away(guard, sabotage.control(), owner_url):
        found = await tried.explore()
        assert found.failure is not None, f"{guard} decides nothing: without it all {found.orders} orders are right"
        script = script_of(scenario.name, guard, found.failure)
        print(f"\n{guard}: found by order {found.orders}\n{script}")
        read_name, read_guard, steps = read_script(script)
        assert (read_name, read_guard) == (scenario.name, guard)
        again, reason = await tried.follow(steps)
        assert [(step.actor, step.name) for step in again.steps] == steps
        assert bool(again.no_end) == bool(found.failure.run.no_end)
        assert reason


async def test_run_a_script_again(database_url: str, owner_url: str, request: pytest.FixtureRequest) -> None:
    """With ``--schedule FILE``: the order that it describes, and what comes of it."""
    path = request.config.getoption("--schedule")
    if path is None:
        pytest.skip("no --schedule was given")
    name, guard, steps = read_script(await asyncio.to_thread(Path(path).read_text, encoding="utf-8"))
    gone = taken_away(guard, SABOTAGES[guard].control(), owner_url) if guard else nullcontext()
    async with trial_of(SCENARIOS[name], database_url, owner_url) as tried, gone:
        try:
            run, reason = await tried.follow(steps)
        except Diverged as error:
            pytest.fail(f"the program no longer does what the script says: {error}", pytrace=False)
    for step in run.steps:
        print(f"{step.actor} | {step.name}")
    if reason:
        pytest.fail(f"it goes wrong: {reason}", pytrace=False)
