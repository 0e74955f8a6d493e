"""One key, one effect, one stable answer; for many requests at a time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

from msgspec import Struct
from psycopg import errors

from holdfast.common.actor import Actor, UserId
from holdfast.common.wire import restored, stored
from holdfast.database import Tx, queries
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.idempotency.keys import IdempotencyKey

SQL = queries(__file__)
KEPT_FOR = timedelta(hours=48)

T = TypeVar("T", bound=Struct)


class RequestKey(Struct, frozen=True):
    """Keys of different actors never meet."""

    actor_id: UserId
    key: str


class KeyedRequest(Struct, frozen=True):
    """A request under a key. ``result_id``, where given, names the thing that it is about to make, from which its answer can be rebuilt."""

    key: RequestKey
    fingerprint: bytes
    result_id: UUID | None = None


class New(Struct, frozen=True):
    """The key was free and is now taken by this transaction."""


_NEW = New()


class Replay(Struct, frozen=True):
    """The key had its effect: its answer, or the id of what it made."""

    result_id: UUID | None
    answer: str | None


class OtherBody(Struct, frozen=True):
    """The key was used for another request."""


Standing = New | Replay | OtherBody


class _KnownRow(Struct, frozen=True):
    actor_id: UserId
    key: str


class _KeyRow(Struct, frozen=True):
    actor_id: UserId
    key: str
    fingerprint: bytes
    result_id: UUID | None
    answer: str | None


async def begin(tx: Tx, requests: Sequence[KeyedRequest]) -> Mapping[RequestKey, Standing]:
    """Take the keys of a set of requests; a key that stands twice in the set is one request.

    A key that another transaction is inserting is waited for, at most for the lock timeout; then StillRunning is raised.
    """
    if not requests:
        return {}
    wanted = {request.key: request for request in requests}
    try:
        known = await tx.all(
            SQL.insert_keys,
            _KnownRow,
            actor_ids=[key.actor_id for key in wanted],
            keys=[key.key for key in wanted],
            fingerprints=[request.fingerprint for request in wanted.values()],
            result_ids=[request.result_id for request in wanted.values()],
        )
    except errors.LockNotAvailable as error:
        raise StillRunning from error
    standing: dict[RequestKey, Standing] = dict.fromkeys(wanted, _NEW)
    if known:
        standing |= await look_up(tx, [wanted[RequestKey(row.actor_id, row.key)] for row in known])
    return standing


async def look_up(tx: Tx, requests: Sequence[KeyedRequest]) -> Mapping[RequestKey, Standing]:
    """What stands under keys, without taking any: those that are free are not in the answer."""
    if not requests:
        return {}
    wanted = {request.key: request for request in requests}
    rows = await tx.all(SQL.read_keys, _KeyRow, actor_ids=[key.actor_id for key in wanted], keys=[key.key for key in wanted])
    standing: dict[RequestKey, Standing] = {}
    for row in rows:
        key = RequestKey(row.actor_id, row.key)
        same = row.fingerprint == wanted[key].fingerprint
        standing[key] = Replay(row.result_id, row.answer) if same else OtherBody()
    return standing


async def keep(tx: Tx, answers: Mapping[RequestKey, Struct | None]) -> None:
    """Store the answers of keys taken in this transaction; None gives the key of a refusal back, to be judged anew next time."""
    kept = {key: answer for key, answer in answers.items() if answer is not None}
    given_up = [key for key, answer in answers.items() if answer is None]
    if kept:
        await tx.run(
            SQL.keep_answers,
            actor_ids=[key.actor_id for key in kept],
            keys=[key.key for key in kept],
            answers=[stored(answer).decode() for answer in kept.values()],
        )
    if given_up:
        await tx.run(SQL.delete_keys, actor_ids=[key.actor_id for key in given_up], keys=[key.key for key in given_up])


class Once(Generic[T]):
    """The one effect of a key. ``replay`` is the answer of an earlier request with it, or None."""

    __slots__ = ("kept", "replay")

    def __init__(self, replay: T | None) -> None:
        self.replay = replay
        self.kept: T | None = None

    def keep(self, answer: T) -> T:
        """Store the answer with the effect, and return it."""
        self.kept = answer
        return answer


@asynccontextmanager
async def once(tx: Tx, actor: Actor, key: IdempotencyKey | None, answer_type: type[T]) -> AsyncIterator[Once[T]]:
    """Both calls for a single request. Without a key every request is a new one.

    A refusal raised inside rolls the key back with everything else. Raises KeyUsedForAnother, StillRunning.
    """
    if key is None:
        yield Once(None)
        return
    request = KeyedRequest(RequestKey(actor.id, key.text), key.fingerprint)
    standing = (await begin(tx, [request]))[request.key]
    if isinstance(standing, OtherBody):
        raise KeyUsedForAnother
    if isinstance(standing, Replay):
        if standing.answer is None:
            raise StillRunning
        key.replayed = True
        yield Once(restored(standing.answer, answer_type))
        return
    running = Once[T](None)
    yield running
    if running.kept is not None:
        await keep(tx, {request.key: running.kept})
    else:
        await keep(tx, {request.key: None})


async def delete_old_keys(tx: Tx, limit: int) -> int:
    """Forget at most ``limit`` keys that are older than two days; returns how many it were."""
    return await tx.run(SQL.delete_old_keys, age=KEPT_FOR, limit=limit)
