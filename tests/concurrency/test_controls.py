"""The controls themselves: a guard that was taken away is back afterwards."""

import pytest
from tests.controls import CONTROLS, without


@pytest.mark.parametrize("guard", sorted(CONTROLS))
async def test_a_control_leaves_every_statement_as_it_was(owner_url: str, guard: str) -> None:
    queries = {id(query): query for query, _, _ in CONTROLS[guard]().edits}
    before = {name: query.text for name, query in queries.items()}
    async with without(guard, owner_url):
        assert all(query.text != before[name] for name, query in queries.items())
    assert {name: query.text for name, query in queries.items()} == before
