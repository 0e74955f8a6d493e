"""A session with a waiting room, and people before it, as one or two processes see them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text
from tests.shop import MoveTime, Shop

from holdfast.common.actor import Actor, Role, UserId
from holdfast.database import Database
from holdfast.events.consumers import read_on
from holdfast.events.models import START_OF_LOG
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import Session
from holdfast.waiting.events import WaitingRoomMoved
from holdfast.waiting.models import Room, Standing

A_MOMENT = timedelta(seconds=1)


@dataclass
class Line:
    """The line before one session. ``shop`` is one process; ``elsewhere`` gives the same line as another one sees it."""

    shop: Shop
    session: Session
    move_time: MoveTime

    def elsewhere(self, shop: Shop) -> "Line":
        return Line(shop, self.session, self.move_time)

    async def open(self, *, per_second: float = 1000, inside_max: int = 1000) -> Room:
        driver = Actor(self.session.driver_id, Role.DRIVER)
        return await self.shop.waiting.service.put(
            driver, SESSION_KIND, self.session.id, is_open=True, per_second=per_second, inside_max=inside_max
        )

    async def turn_off(self) -> Room:
        driver = Actor(self.session.driver_id, Role.DRIVER)
        return await self.shop.waiting.service.put(driver, SESSION_KIND, self.session.id, is_open=False)

    async def join(self, person: Actor) -> Standing:
        return await self.shop.waiting.service.join(person, SESSION_KIND, self.session.id)

    async def people(self, number: int) -> list[Actor]:
        """So many, in line one after another."""
        people = [await self.shop.person() for _ in range(number)]
        for person in people:
            await self.join(person)
        return people

    async def ask(self, person: Actor, ticket: str | None = None) -> Standing:
        return await self.shop.waiting.service.standing(person, SESSION_KIND, self.session.id, ticket)

    async def admit(self, after: timedelta = A_MOMENT) -> list[int]:
        """Let some time pass and move the line; the numbers of those whose turn came."""
        self.move_time(after)
        before = await self.admitted()
        await self.shop.waiting.admission.admit_due()
        return sorted(set(await self.admitted()) - set(before))

    async def admitted(self) -> list[int]:
        """The numbers of all who have or had their turn."""
        rows = await self._rows("SELECT number FROM waiting_places WHERE owner_id = :owner AND admitted_at IS NOT NULL ORDER BY number")
        return [int(str(row["number"])) for row in rows]

    async def numbers(self) -> list[int]:
        rows = await self._rows("SELECT number FROM waiting_places WHERE owner_id = :owner ORDER BY number")
        return [int(str(row["number"])) for row in rows]

    async def bookings(self) -> int:
        return len(await self._rows("SELECT id FROM bookings WHERE owner_id = :owner"))

    async def now(self) -> datetime:
        """Business time."""
        moment: datetime = (await self._rows("SELECT business_now() AS now FROM driver_sessions WHERE id = :owner"))[0]["now"]  # type: ignore[assignment]
        return moment

    async def moves(self) -> list[WaitingRoomMoved]:
        """What the log tells of this room."""
        return [move for _, move in await self.recorded()]

    async def recorded(self) -> list[tuple[datetime, WaitingRoomMoved]]:
        """What the log tells of this room, and when it happened."""
        found: list[tuple[datetime, WaitingRoomMoved]] = []
        position = START_OF_LOG
        while True:
            recorded, end = await read_on(self.shop.database, position)
            if end == position:
                return found
            position = end
            found += [
                (each.occurred_at, each.event)
                for each in recorded
                if isinstance(each.event, WaitingRoomMoved) and each.event.owner_id == self.session.id
            ]

    async def told(self) -> list[UserId]:
        """Who was told that it is their turn, as often as they were told."""
        return [user_id for move in await self.moves() for user_id in move.admitted]

    async def see(self) -> None:
        """Let this process know what is true now."""
        await self.shop.waiting.sight.refresh()

    async def _rows(self, statement: str) -> Sequence[Mapping[str, object]]:
        async with self.shop.database.reading() as tx:
            return await tx.rows(text(statement), owner=self.session.id)


@pytest.fixture
async def shop(database: Database) -> Shop:
    opened = Shop(database, live_holds_max=100)
    await opened.open()
    return opened


@pytest.fixture
async def other_shop(shop: Shop, database_url: str) -> AsyncIterator[Shop]:
    """The same shop in another process."""
    database = Database(database_url, name="test two")
    other = Shop(database, live_holds_max=100)
    other.route_id, other.station_id = shop.route_id, shop.station_id
    yield other
    await database.close()


@pytest.fixture
async def line(shop: Shop, move_time: MoveTime) -> Line:
    """Before a session of 60 seats."""
    return Line(shop, await shop.session(seats=60), move_time)
