"""The statements of waiting rooms, one function each."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.resources.gate import Visit
from holdfast.waiting.models import Place, Room
from holdfast.waiting.states import RoomState

SQL = queries(__file__)


class DueRoom(Struct, frozen=True):
    """A locked room. What its rate allows counts from ``credit_from``."""

    owner_kind: str
    owner_id: UUID
    state: RoomState
    per_second: float
    inside_max: int
    admitted_up_to: int
    credit_from: datetime
    version: int


class Measure(Struct, frozen=True):
    """What a room is judged by. ``sells`` is False where nothing of its owner is open any more."""

    owner_id: UUID
    last_number: int
    now: datetime
    inside: int
    sells: bool
    free: int


class Step(Struct, frozen=True):
    """How a room moves: the numbers after ``room.admitted_up_to`` up to ``up_to`` are admitted."""

    room: DueRoom
    last_number: int
    state: RoomState
    up_to: int
    credit_from: datetime


class Admitted(Struct, frozen=True):
    """One person whose turn has come."""

    owner_id: UUID
    user_id: UserId
    number: int
    admitted_until: datetime


class _Turn(Struct, frozen=True):
    owner_id: UUID
    user_id: UUID


async def guarding(tx: Tx) -> Mapping[UUID, Room]:
    return {room.owner_id: room for room in await tx.all(SQL.guarding, Room)}


async def room(tx: Tx, owner_kind: str, owner_id: UUID) -> Room | None:
    return await tx.first(SQL.room, Room, owner_kind=owner_kind, owner_id=owner_id)


async def lock_room(tx: Tx, owner_id: UUID) -> None:
    await tx.run(SQL.lock_room, owner_id=owner_id)


async def put_room(tx: Tx, owner_kind: str, owner_id: UUID, state: RoomState, per_second: float, inside_max: int) -> None:
    async with tx.pipeline():
        await tx.run(SQL.open_counter, owner_id=owner_id)
        await tx.run(
            SQL.put_room, owner_id=owner_id, owner_kind=owner_kind, state=state.value, per_second=per_second, inside_max=inside_max
        )


async def places(tx: Tx, owner_id: UUID, user_ids: Sequence[UserId]) -> dict[UserId, Place]:
    return {place.user_id: place for place in await tx.all(SQL.places, Place, owner_id=owner_id, user_ids=list(user_ids))}


async def lock_counter(tx: Tx, owner_id: UUID) -> int:
    """The last number that was given out."""
    last_number: int = await tx.value(SQL.lock_counter, owner_id=owner_id)
    return last_number


async def take_places(tx: Tx, owner_id: UUID, numbers: Mapping[UserId, int], last_number: int) -> None:
    async with tx.pipeline():
        await tx.run(SQL.take_places, owner_id=owner_id, user_ids=list(numbers), numbers=list(numbers.values()))
        await tx.run(SQL.count_up, owner_id=owner_id, last_number=last_number)


async def lock_due(tx: Tx, step: timedelta, after: UUID | None, limit: int) -> list[DueRoom]:
    return await tx.all(SQL.lock_due, DueRoom, step=step, after=after, limit=limit)


async def measure(tx: Tx, owner_ids: Sequence[UUID]) -> Mapping[UUID, Measure]:
    return {found.owner_id: found for found in await tx.all(SQL.measure, Measure, owner_ids=list(owner_ids))}


async def admit(tx: Tx, steps: Sequence[Step], turn: timedelta) -> list[Admitted]:
    return await tx.all(
        SQL.admit,
        Admitted,
        turn=turn,
        owner_ids=[step.room.owner_id for step in steps],
        froms=[step.room.admitted_up_to for step in steps],
        up_tos=[step.up_to for step in steps],
    )


async def move_rooms(tx: Tx, steps: Sequence[Step]) -> None:
    await tx.run(
        SQL.move_rooms,
        owner_ids=[step.room.owner_id for step in steps],
        states=[step.state.value for step in steps],
        up_tos=[step.up_to for step in steps],
        credit_froms=[step.credit_from for step in steps],
    )


async def lock_turns(tx: Tx, visits: Sequence[Visit]) -> set[tuple[UUID, UUID]]:
    """Owner and person of each turn that may be used now."""
    found = await tx.all(
        SQL.lock_turns, _Turn, owner_ids=[visit.owner_id for visit in visits], user_ids=[visit.customer_id for visit in visits]
    )
    return {(turn.owner_id, turn.user_id) for turn in found}


async def use_turns(tx: Tx, visits: Sequence[Visit]) -> None:
    await tx.run(
        SQL.use_turns,
        owner_ids=[visit.owner_id for visit in visits],
        user_ids=[visit.customer_id for visit in visits],
        booking_ids=[visit.booking_id for visit in visits],
    )
