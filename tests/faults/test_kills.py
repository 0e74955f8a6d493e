"""kill -9 in the middle of a day: nothing acknowledged is lost, and every invariant holds."""

from io import StringIO

import pytest
from rich.console import Console

from holdfast.app.simulate import Plan, simulate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("simulate"), pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    "killed", [("redis",), ("worker",), ("web",), ("postgres",), ("web", "postgres", "worker", "redis", "postgres")], ids="+".join
)
async def test_a_day_with_a_death_in_it(killed: tuple[str, ...]) -> None:
    printed = StringIO()
    plan = Plan(drivers=15, passengers=150, seconds=30.0, seed=11, kill=killed)
    code = await simulate(plan, Console(file=printed, width=160))
    assert code == 0, printed.getvalue()
