import time
import pytest
from tests.interleavings.scenarios import PAIRS, TRIPLES, Scenario, SCENARIOS
from tests.interleavings.trial import all_orders, script_of, trial
from tests.interleavings.controls import SABOTAGES
from tests.controls import taken_away


@pytest.mark.parametrize("scenario", [*PAIRS, *TRIPLES], ids=lambda s: s.name)
async def test_orders(database_url: str, owner_url: str, scenario: Scenario) -> None:
    began = time.monotonic()
    async with trial(scenario, database_url, owner_url) as tried:
        assert not tried.fault
        found = await tried.explore()
        print(
            f"\nRESULT {scenario.name}: {found.orders} orders, {found.cut_short} cut short, whole {found.whole}, of {all_orders(found)} {found.steps}, {time.monotonic() - began:.1f} s, {len(tried.outcomes)} outcomes"
        )
        if found.failure:
            print(script_of(scenario.name, None, found.failure))
    assert found.failure is None


@pytest.mark.parametrize("name", SABOTAGES)
async def test_controls(database_url: str, owner_url: str, name) -> None:
    s = SABOTAGES[name]
    scenario = SCENARIOS[s.scenario]
    async with trial(scenario, database_url, owner_url) as tried:
        async with taken_away(name, s.control(), owner_url):
            found = await tried.explore()
        print(f"\nCONTROL {name} in {scenario.name}: {found.orders} orders, {found.failure and found.failure.reason[:250]}")
    assert found.failure
