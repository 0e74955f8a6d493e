import time

import pytest
from tests.interleavings.scenarios import PAIRS, TRIPLES, Scenario
from tests.interleavings.trial import all_orders, script_of, trial


@pytest.mark.parametrize("scenario", [*PAIRS, *TRIPLES], ids=lambda s: s.name)
async def test_orders(database_url: str, owner_url: str, scenario: Scenario) -> None:
    began = time.monotonic()
    async with trial(scenario, database_url, owner_url) as tried:
        found = await tried.explore(orders_max=300)
        print(
            f"\nRESULT {scenario.name}: {found.orders} orders, {found.cut_short} cut short, whole {found.whole}, of {all_orders(found)} {found.steps}, {time.monotonic() - began:.1f} s, {len(tried.outcomes)} outcomes"
        )
        if found.failure:
            print(script_of(scenario.name, None, found.failure))
    assert found.failure is None
