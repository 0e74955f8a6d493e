"""A city over HTTP: stations, routes and drivers as the program serves them, with people who are signed in by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text

from holdfast.app.http import create_app
from holdfast.cache import Cache, RedisLink
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import NotSignedIn
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.drivers import module as drivers_module
from holdfast.events.consumers import follow_next
from holdfast.routes import module as routes_module
from holdfast.stations import module as stations_module
from holdfast.users import People
from holdfast.vault import PersonalVault, Vault

RAMSES = {"latitude": 30.0626, "longitude": 31.2473}


class City:
    """``redis_url`` empty: there is no Redis."""

    def __init__(self, database: Database, redis_url: str = "") -> None:
        self.database = database
        self.redis = RedisLink(redis_url)
        self.people = People()
        cache = Cache(self.redis)
        self.stations = stations_module.build(database, cache)
        self.routes = routes_module.build(database, cache, self.stations.registry)
        self.vault = PersonalVault(Vault("a secret of the tests"))
        self.drivers = drivers_module.build(database, self.people, self.vault)
        self._people: dict[str, Actor] = {}
        self.settings = Settings.model_validate({"HOLDFAST_REQUESTS_PER_MINUTE": 0})
        self.routers = [self.stations.router, self.routes.router, self.drivers.router]
        self.root_routers: list[Any] = []
        self.lifespan: list[Any] = []
        self.sockets = None
        self._numbers = 0

    async def verify(self, token: str) -> Actor:
        if token not in self._people:
            raise NotSignedIn
        known = self._people[token]
        async with self.database.reading() as tx:
            return (await self.people.get(tx, known.id)).actor

    async def person(self, name: str, role: Role = Role.PASSENGER) -> Actor:
        """Somebody who signs in with the name as token."""
        actor = Actor(UserId.new(), role)
        async with self.database.transaction() as tx:
            await tx.run(text("INSERT INTO users (id, role, is_verified) VALUES (:id, :role, true)"), id=actor.id, role=role.value)
        self._people[name] = actor
        return actor

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Visitor"]:
        """The city's address, visited by nobody in particular, with an admin who signs in as ``admin``."""
        await self.person("admin", Role.ADMIN)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(self)), base_url="http://city/api/v1") as client:
            yield Visitor(client, "")
        await self.redis.close()

    async def follow(self) -> None:
        """What the worker does with the event log, until nothing is left."""
        for follower in (self.stations.follower, self.routes.follower):
            while await follow_next(self.database, follower):
                pass

    async def count(self, table: str) -> int:
        async with self.database.reading() as tx:
            return int(await tx.value(text(f"SELECT count(*) FROM {table}")))

    async def deeds(self, action: str) -> list[tuple[Any, Any]]:
        async with self.database.reading() as tx:
            rows = await tx.rows(text("SELECT before, after FROM audit_logs WHERE action = :action ORDER BY position"), action=action)
            return [(row["before"], row["after"]) for row in rows]

    async def announced(self) -> list[str]:
        async with self.database.reading() as tx:
            return [f"{row['name']} {row['version']}" for row in await tx.rows(text("SELECT name, version FROM events ORDER BY position"))]


class Visitor:
    """Somebody at the door, signed in under a name or not."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {name}"} if name else {}

    def named(self, name: str) -> "Visitor":
        return Visitor(self._client, name)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self._client.get(path, headers=self._headers | _headers(headers))

    async def post(self, path: str, body: object = None, **headers: str) -> httpx.Response:
        return await self._client.post(path, json=body, headers=self._headers | _headers(headers))

    async def put(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self._client.put(path, json=body, headers=self._headers | _headers(headers))

    async def patch(self, path: str, body: object, **headers: str) -> httpx.Response:
        return await self._client.patch(path, json=body, headers=self._headers | _headers(headers))

    async def station(self, name: str = "Ramses", **fields: object) -> dict[str, Any]:
        """A new station."""
        answer = await self.post("/stations", RAMSES | {"name": name} | fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def route(self, *names: str, fare: float = 5.0, **fields: object) -> dict[str, Any]:
        """A new route over new stations."""
        stations = [(await self.station(name))["id"] for name in names]
        answer = await self.post("/routes", {"name": " - ".join(names), "baseFare": fare, "stationIds": stations} | fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def _headers(named: dict[str, str]) -> dict[str, str]:
    """``if_match`` is If-Match."""
    return {name.replace("_", "-"): value for name, value in named.items()}
