"""A whole day in a world of its own: what holds passes, and what was tampered with does not."""

import asyncio
from collections.abc import Awaitable, Callable
from io import StringIO

import psycopg
import pytest
from rich.console import Console

from holdfast.app.running import find_running
from holdfast.app.simulate import Plan, simulate
from holdfast.app.simulate.run import Day
from holdfast.app.simulate.world import World, open_world

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("simulate"), pytest.mark.timeout(600)]

PLAN = Plan(drivers=8, passengers=60, seconds=20.0, seed=7)

# One booking that was confirmed, as nobody may ever lose it: with its lines, so that the database is at peace with itself.
LOSE_A_BOOKING = """
    WITH lost AS (
        DELETE FROM sold_lines WHERE hold_id = (SELECT id FROM bookings WHERE status = 'CONFIRMED' ORDER BY id LIMIT 1)
        RETURNING hold_id, pool_id, quantity
    ), counted AS (UPDATE pools SET sold = sold - lost.quantity FROM lost WHERE pools.id = lost.pool_id)
    UPDATE bookings SET status = 'EXPIRED', confirmed_at = NULL, ended_at = now(), end_reason = 'LAPSED'
      FROM lost WHERE bookings.id = lost.hold_id
"""


async def test_a_day_in_which_everything_holds() -> None:
    printed = StringIO()
    code = await simulate(PLAN, Console(file=printed, width=160))
    assert code == 0, printed.getvalue()
    assert printed.getvalue().rstrip().endswith("everything held")


async def pass_a_day(meanwhile: Callable[[World], Awaitable[None]]) -> tuple[int, str]:
    printed = StringIO()
    console = Console(file=printed, width=160)
    async with open_world(PLAN, console.print) as world:
        day = asyncio.create_task(Day(PLAN, world, console).pass_by())
        await meanwhile(world)
        return await day, printed.getvalue()


async def test_a_lost_booking_is_missed() -> None:
    async def lose_a_booking(world: World) -> None:
        async with await psycopg.AsyncConnection.connect(owner_url(world), autocommit=True) as owner:
            while (await owner.execute(LOSE_A_BOOKING)).rowcount == 0:
                await asyncio.sleep(0.5)

    code, printed = await pass_a_day(lose_a_booking)
    assert code == 1
    assert "was confirmed and is shown as EXPIRED" in printed


async def test_an_oversold_session_is_seen() -> None:
    async def oversell(world: World) -> None:
        async with await psycopg.AsyncConnection.connect(owner_url(world), autocommit=True) as owner:
            # As if the session had one seat less than it sold.
            await owner.execute("ALTER TABLE pools DROP CONSTRAINT pools_counters")
            while (await owner.execute("UPDATE pools SET capacity = sold - 1 WHERE sold > 2")).rowcount == 0:
                await asyncio.sleep(0.5)

    code, printed = await pass_a_day(oversell)
    assert code == 1
    assert "seats sold" in printed


def owner_url(world: World) -> str:
    assert world.directory is not None
    return find_running(world.directory).environment["DATABASE_OWNER_URL"]
