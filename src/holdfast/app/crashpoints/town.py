"""Where flows run: one cluster, a database with people and a route in it, and a copy of that for every trial."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from holdfast.app.crashpoints.flows import ADMIN, DRIVER, OTHER_ADMIN, PEOPLE
from holdfast.app.embedded import PostgresServer
from holdfast.app.embedded.home import SOCKET
from holdfast.app.migration import migrate
from holdfast.auth.models import LoginId
from holdfast.common.actor import Role, UserId
from holdfast.database.queries import Query, queries
from holdfast.routes.models import RouteId
from holdfast.stations.models import StationId

SQL = queries(__file__)

TOWN = "crash_town"
MONTHS_AHEAD = 1

MOVABLE_CLOCK = """
    CREATE TABLE test_clock_offset (moved interval NOT NULL);
    INSERT INTO test_clock_offset VALUES ('0');
    GRANT SELECT ON test_clock_offset TO holdfast_app;
    CREATE OR REPLACE FUNCTION business_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
        AS 'SELECT statement_timestamp() + (SELECT moved FROM test_clock_offset)';
"""
"""business_now() with an offset, so that time can be moved. ``holdfast check`` fails where it finds this table."""

_ROLES = {DRIVER: Role.DRIVER, ADMIN: Role.ADMIN, OTHER_ADMIN: Role.ADMIN}


class Town:
    """The cluster, seen by its superuser."""

    def __init__(self, postgres: PostgresServer, admin: psycopg.AsyncConnection[Any]) -> None:
        self.postgres = postgres
        self.people = {name: UserId.new() for name in PEOPLE}
        self.logins = {name: LoginId.new() for name in PEOPLE}
        self.route, self.station = RouteId.new(), StationId.new()
        self._admin = admin
        self._made: set[str] = set()

    @classmethod
    async def found(cls, postgres: PostgresServer) -> Self:
        """Make the database that all others are copies of."""
        town = cls(postgres, await psycopg.AsyncConnection.connect(postgres.superuser_url, autocommit=True))
        await town.copy("template0", TOWN)
        owner_url = postgres.url("holdfast_owner", TOWN)
        migrate(owner_url, months_ahead=MONTHS_AHEAD)
        async with await psycopg.AsyncConnection.connect(owner_url) as owner:
            await owner.execute(MOVABLE_CLOCK)
            for name in PEOPLE:
                person = {"id": town.people[name], "login_id": town.logins[name], "role": _ROLES.get(name, Role.PASSENGER).value}
                await owner.execute(SQL.add_person.text, person)
            await owner.execute(SQL.add_driver.text, {"id": town.people[DRIVER]})
            places = {"route_id": town.route, "from_id": town.station, "to_id": StationId.new()}
            await owner.execute(SQL.add_places.text, places)
            await owner.execute(SQL.add_calls.text, places)
        return town

    @property
    def socket(self) -> Path:
        """Where PostgreSQL listens."""
        return self.postgres.sockets / SOCKET

    async def copy(self, template: str, name: str) -> None:
        """A database as another one is. Nobody may be connected to that."""
        await self._drop(name)
        self._made.add(name)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER holdfast_owner")
        await self._run(statement.format(sql.Identifier(name), sql.Identifier(template)))

    async def close(self) -> None:
        """Leave nothing behind."""
        for name in self._made:
            await self._drop(name)
        await self._admin.close()

    async def _drop(self, name: str) -> None:
        await self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    async def _run(self, statement: sql.Composed) -> None:
        await self._admin.execute(statement)


class Books:
    """One database of a trial, looked at from outside."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> Self:
        return cls(await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row))

    async def run(self, query: Query, **parameters: object) -> None:
        await self._connection.execute(query.text, parameters or None)

    async def rows(self, query: Query) -> Sequence[Mapping[str, Any]]:
        cursor = await self._connection.execute(query.text)
        return await cursor.fetchall()

    async def close(self) -> None:
        await self._connection.close()
