"""Routes and stations out of Redis: never older than the log, and the same without it."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio
from sqlalchemy import text
from tests.routes.city import City, Visitor

from holdfast.cache import Cache
from holdfast.database import Database


@pytest.fixture
async def cached(database: Database, redis_url: str, redis: redis.asyncio.Redis) -> AsyncIterator[tuple[City, Visitor]]:
    city = City(database, redis_url)
    async with city.served() as visitor:
        yield city, visitor


async def _rename_behind_our_back(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.run(text("UPDATE stations SET name_en = 'Behind'"))
        await tx.run(text("UPDATE routes SET name_en = 'Behind'"))


async def test_answers_come_out_of_redis(cached: tuple[City, Visitor], redis: redis.asyncio.Redis) -> None:
    city, visitor = cached
    route = await visitor.named("admin").route("A", "B")
    paths = ("/routes", f"/routes/{route['id']}", "/stations", f"/stations/{route['stations'][0]['id']}")
    first = [(await visitor.get(path)).json() for path in paths]
    await _rename_behind_our_back(city.database)
    assert [(await visitor.get(path)).json() for path in paths] == first
    assert {str(key).split(":")[1] for key in await redis.keys("cache:*")} == {"routes", "stations"}
    ttls = [await redis.pttl(key) for key in await redis.keys("cache:routes:list:*")]
    assert all(30_000 < ttl <= 60_000 for ttl in ttls)


async def test_the_log_makes_everybody_forget(cached: tuple[City, Visitor], database: Database) -> None:
    city, visitor = cached
    other = City(database)
    async with other.served() as elsewhere:
        route = await visitor.named("admin").route("A", "B")
        station = route["stations"][0]["id"]
        assert (await visitor.get(f"/routes/{route['id']}")).json()["stations"][0]["name"] == "A"
        # A process that cannot reach Redis changes the station, so only the log tells.
        changed = await elsewhere.named("admin").patch(f"/stations/{station}", {"nameEn": "Z"}, if_match='"1"')
        assert changed.status_code == 200
        assert (await visitor.get(f"/routes/{route['id']}")).json()["stations"][0]["name"] == "A"
        await city.follow()
        assert (await visitor.get(f"/routes/{route['id']}")).json()["stations"][0]["name"] == "Z"
        assert (await visitor.get(f"/stations/{station}")).json()["name"] == "Z"


async def test_an_admin_sees_the_change_at_once(cached: tuple[City, Visitor]) -> None:
    _, visitor = cached
    admin = visitor.named("admin")
    route = await admin.route("A", "B")
    assert (await admin.get(f"/routes/{route['id']}")).headers["ETag"] == '"1"'
    await admin.patch(f"/routes/{route['id']}", {"baseFare": 9}, if_match='"1"')
    assert (await admin.get(f"/routes/{route['id']}")).headers["ETag"] == '"2"'
    assert (await admin.get("/routes")).json()["data"][0]["baseFare"] == 9


async def test_without_redis_nothing_is_old(city: City, visitor: Visitor, admin: Visitor) -> None:
    route = await admin.route("A", "B")
    assert (await visitor.get(f"/routes/{route['id']}")).json()["name"] == "A - B"
    await _rename_behind_our_back(city.database)
    assert (await visitor.get(f"/routes/{route['id']}")).json()["name"] == "Behind"
    await city.follow()


async def test_a_change_while_redis_is_down_is_forgotten_when_it_is_back(
    cached: tuple[City, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    city, visitor = cached
    route = await visitor.named("admin").route("A", "B")
    path = f"/routes/{route['id']}"
    await visitor.get(path)
    delete, tries = Cache.delete, 0

    async def unreachable_twice(cache: Cache, *groups: str) -> bool:
        nonlocal tries
        tries += 1
        return False if tries <= 2 else await delete(cache, *groups)

    monkeypatch.setattr(Cache, "delete", unreachable_twice)
    monkeypatch.setattr("holdfast.cache.cache.PAUSE_S", 0)
    # The admin's own attempt is the first.
    await visitor.named("admin").patch(path, {"baseFare": 9}, if_match='"1"')
    assert (await visitor.get(path)).json()["baseFare"] == 5
    await city.follow()
    assert (await visitor.get(path)).json()["baseFare"] == 9
