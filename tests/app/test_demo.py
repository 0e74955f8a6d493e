"""What ``up --demo`` puts in can be bought at once."""

from sqlalchemy import text

from holdfast.app.demo import put_city, put_drivers
from holdfast.app.settings import load_settings
from holdfast.database import Database


async def test_a_driver_waits_on_every_route_and_a_full_one_is_followed_by_the_next(database: Database, owner: Database) -> None:
    settings = load_settings()
    routes = (await put_city(database)).routes
    assert await put_drivers(settings, database) == routes
    assert await put_drivers(settings, database) == 0
    async with owner.transaction() as tx:
        await tx.run(text("UPDATE driver_sessions SET status = 'FULL' WHERE id = (SELECT min(id::text)::uuid FROM driver_sessions)"))
    assert await put_drivers(settings, database) == 1
    async with database.reading() as tx:
        waiting = await tx.value(text("SELECT count(DISTINCT route_id) FROM driver_sessions WHERE status = 'ACTIVE'"))
    assert waiting == routes
