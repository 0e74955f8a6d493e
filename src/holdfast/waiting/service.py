"""What people do with waiting rooms: open them, join them, and ask how far it is."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.common.actor import Actor, UserId
from holdfast.common.batching import Batcher
from holdfast.common.errors import Refusal
from holdfast.database import Database, retried
from holdfast.resources.events import owner
from holdfast.waiting import repository
from holdfast.waiting.errors import NoPlace, NoWaitingRoom, TooManyJoins, WaitingRoomEnded
from holdfast.waiting.events import WaitingRoomMoved
from holdfast.waiting.models import INSIDE_DEFAULT, PER_SECOND_DEFAULT, Place, Room, Standing
from holdfast.waiting.owners import OwnerKinds
from holdfast.waiting.sight import Sight
from holdfast.waiting.states import GUARDING, ROOM, PlaceState, RoomState
from holdfast.waiting.tickets import Tickets

_ENDED = (PlaceState.USED, PlaceState.LAPSED)


class JoinRequest(Struct, frozen=True):
    """Somebody comes to a room."""

    owner_kind: str
    owner_id: UUID
    user_id: UserId


class Joined(Struct, frozen=True):
    """The room, and the place that somebody has in it from now on."""

    room: Room
    place: Place


class WaitingService:
    """The use cases of waiting rooms, for every kind of owner."""

    def __init__(self, database: Database, kinds: OwnerKinds, sight: Sight, tickets: Tickets, *, joins_max: int) -> None:
        self._database = database
        self._kinds = kinds
        self._sight = sight
        self._tickets = tickets
        self._joins_max = joins_max
        # Many rooms at once share some of the connections; the others are for whoever admits and for all else.
        self._turns = asyncio.Semaphore(max(1, database.transactions_max // 2))
        # One batch at a time: with two, the later one could be numbered first.
        self._joins: Batcher[JoinRequest, Joined] = Batcher(self._join_all, in_flight_max=1)

    @retried
    async def put(
        self, actor: Actor, kind: str, owner_id: UUID, *, is_open: bool, per_second: float | None = None, inside_max: int | None = None
    ) -> Room:
        """Open the waiting room of an owner, change it, or turn it off. What is None stays as it is; saying the same again changes nothing.

        Raises what the kind of owner refuses with, and NoWaitingRoom where one is to be turned off that there is not.
        """
        owners = self._kinds[kind]
        async with self._database.transaction() as tx:
            await owners.check_may_change(tx, actor, owner_id, opens=is_open)
            await repository.lock_room(tx, owner_id)
            before = await repository.room(tx, kind, owner_id)
            if before is None and not is_open:
                raise NoWaitingRoom
            state = _state_after(before, is_open=is_open)
            rate = per_second or (before.per_second if before else PER_SECOND_DEFAULT)
            inside = inside_max or (before.inside_max if before else INSIDE_DEFAULT)
            if before and (before.state, before.per_second, before.inside_max) == (state, rate, inside):
                return before
            await repository.put_room(tx, kind, owner_id, state, rate, inside)
            after = await repository.room(tx, kind, owner_id)
            assert after is not None
            await audit.record(
                tx,
                [
                    Deed(
                        actor,
                        "waiting_room.changed",
                        owners.id_of(owner_id),
                        before=_facts(before) if before else None,
                        after=_facts(after),
                    )
                ],
            )
            await events.publish(tx, [_changed(after)])
        await self._sight.refresh()
        return after

    async def join(self, actor: Actor, kind: str, owner_id: UUID) -> Standing:
        """A place at the end of the line; whoever has one keeps it, whatever they do it with and how often.

        Raises NoWaitingRoom, WaitingRoomEnded, TooManyJoins, Overloaded.
        """
        await self._sight.look()
        joined = await self._joins.ask(JoinRequest(kind, owner_id, actor.id))
        return self._standing(joined.room, joined.place)

    async def standing(self, actor: Actor, kind: str, owner_id: UUID, ticket: str | None) -> Standing:
        """How far it is for somebody. With their ticket that costs no look into the database while they wait.

        Raises NoWaitingRoom, NoPlace.
        """
        await self._sight.look()
        room = self._sight.room(owner_id)
        number = self._tickets.read(ticket, owner_id, actor.id) if ticket else None
        if ticket and room and room.owner_kind == kind and number and number > room.admitted_up_to:
            return Standing(room, number, PlaceState.WAITING, None, self._sight.wait_s(room, number), ticket)
        async with self._database.reading() as tx:
            # The place first: it cannot be seen waiting in a room that has passed it.
            place = (await repository.places(tx, owner_id, [actor.id])).get(actor.id)
            room = await repository.room(tx, kind, owner_id)
        if room is None or room.state is RoomState.OFF:
            raise NoWaitingRoom
        if place is None:
            raise NoPlace
        return self._standing(room, place)

    def _standing(self, room: Room, place: Place) -> Standing:
        wait_s = self._sight.wait_s(room, place.number) if place.state is PlaceState.WAITING else None
        ticket = self._tickets.sign(room.owner_id, place.user_id, place.number)
        return Standing(room, place.number, place.state, place.admitted_until, wait_s, ticket)

    async def _join_all(self, requests: Sequence[JoinRequest]) -> Sequence[Joined | BaseException]:
        """Each room by itself: one whose counter is stuck must not stop the others."""
        groups: dict[tuple[str, UUID], dict[UserId, None]] = {}
        for request in requests:
            groups.setdefault((request.owner_kind, request.owner_id), {})[request.user_id] = None
        answers = await asyncio.gather(*(self._join_room(*key, list(users)) for key, users in groups.items()), return_exceptions=True)
        by_room = dict(zip(groups, answers, strict=True))
        found: list[Joined | BaseException] = []
        for request in requests:
            answer = by_room[request.owner_kind, request.owner_id]
            found.append(answer if isinstance(answer, BaseException) else answer[request.user_id])
        return found

    @retried
    async def _join_room(self, kind: str, owner_id: UUID, user_ids: Sequence[UserId]) -> dict[UserId, Joined | Refusal]:
        """Numbers in the order of the people, for those who have none that counts."""
        async with self._turns, self._database.transaction() as tx:
            room = await repository.room(tx, kind, owner_id)
            if room is None or room.state is RoomState.OFF:
                raise NoWaitingRoom
            if room.state not in GUARDING:
                raise WaitingRoomEnded
            found = await repository.places(tx, owner_id, user_ids)
            if any(_wants_number(found.get(user_id)) for user_id in user_ids):
                last_number = await repository.lock_counter(tx, owner_id)
                # Read again: while this one waited for the counter another process may have given out numbers.
                found = await repository.places(tx, owner_id, user_ids)
                numbers = self._numbers(found, user_ids, last_number)
                if numbers:
                    await repository.take_places(tx, owner_id, numbers, last_number + len(numbers))
                    found |= {
                        user_id: Place(user_id, number, PlaceState.WAITING, None, found[user_id].joins + 1 if user_id in found else 1)
                        for user_id, number in numbers.items()
                    }
        return {
            user_id: TooManyJoins(joins=self._joins_max, joins_max=self._joins_max)
            if _wants_number(found[user_id])
            else Joined(room, found[user_id])
            for user_id in user_ids
        }

    def _numbers(self, found: dict[UserId, Place], user_ids: Sequence[UserId], last_number: int) -> dict[UserId, int]:
        wanting = [user_id for user_id in user_ids if _wants_number(place := found.get(user_id)) and self._may_join(place)]
        return {user_id: last_number + order for order, user_id in enumerate(wanting, start=1)}

    def _may_join(self, place: Place | None) -> bool:
        return place is None or place.joins < self._joins_max


def _wants_number(place: Place | None) -> bool:
    return place is None or place.state in _ENDED


def _state_after(before: Room | None, *, is_open: bool) -> RoomState:
    if before is None:
        return ROOM.initial
    if is_open and before.state in GUARDING:
        return before.state
    wanted = RoomState.OPEN if is_open else RoomState.OFF
    return before.state if before.state is wanted else ROOM.move(before.state, to=wanted)


def _facts(room: Room) -> dict[str, object]:
    return {"state": room.state, "perSecond": room.per_second, "insideMax": room.inside_max}


def _changed(room: Room) -> WaitingRoomMoved:
    return WaitingRoomMoved(
        version=room.version,
        kind=room.owner_kind,
        owner_id=owner(room.owner_id),
        state=room.state,
        admitted_up_to=room.admitted_up_to,
        last_number=room.last_number,
    )
