"""One key, one effect, one stable answer."""

import asyncio
from datetime import timedelta

import pytest
from msgspec import Struct
from sqlalchemy import text
from tests.shop import MoveTime

from holdfast import idempotency
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import NotFound
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey, KeyedRequest, New, OtherBody, Replay, RequestKey
from holdfast.idempotency.errors import KeyMalformed, KeyUsedForAnother, StillRunning
from holdfast.idempotency.repository import delete_old_keys

ACTOR = Actor(UserId.new(), Role.PASSENGER)


class Answer(Struct, frozen=True):
    number: int
    by: UserId


def key(text_: str = "key", body: bytes = b"body") -> IdempotencyKey:
    return IdempotencyKey.read(text_, "POST", "/x", body)


async def act(database: Database, with_key: IdempotencyKey, number: int, actor: Actor = ACTOR) -> Answer:
    async with database.transaction() as tx, idempotency.once(tx, actor, with_key, Answer) as once:
        if once.replay:
            return once.replay
        await tx.run(text("INSERT INTO limit_counters VALUES ('done', :n, '2026-01-01', 1)"), n=str(number))
        return once.keep(Answer(number, actor.id))


async def test_the_second_request_gets_the_first_answer(database: Database) -> None:
    assert await act(database, key(), 1) == Answer(1, ACTOR.id)
    again = key()
    assert await act(database, again, 2) == Answer(1, ACTOR.id)
    assert again.replayed


async def test_keys_of_two_people_never_meet(database: Database) -> None:
    other = Actor(UserId.new(), Role.PASSENGER)
    await act(database, key(), 1)
    assert await act(database, key(), 2, other) == Answer(2, other.id)


async def test_another_body_is_refused(database: Database) -> None:
    await act(database, key(), 1)
    with pytest.raises(KeyUsedForAnother):
        await act(database, key(body=b"other"), 2)


async def test_a_refusal_leaves_the_key_free(database: Database) -> None:
    async def refuse() -> None:
        async with database.transaction() as tx, idempotency.once(tx, ACTOR, key(), Answer):
            raise NotFound

    with pytest.raises(NotFound):
        await refuse()
    assert await act(database, key(), 1) == Answer(1, ACTOR.id)


async def test_a_key_that_is_being_used_is_waited_for_and_then_said_to_be_running(database: Database) -> None:
    async with database.transaction() as tx, idempotency.once(tx, ACTOR, key(), Answer) as once:
        with pytest.raises(StillRunning):
            await act(database, key(), 2)
        once.keep(Answer(1, ACTOR.id))
    assert await act(database, key(), 3) == Answer(1, ACTOR.id)


async def test_fifty_at_once_have_one_effect(database: Database) -> None:
    answers = await asyncio.gather(*(act(database, key(), number) for number in range(50)), return_exceptions=True)
    given = {answer.number for answer in answers if isinstance(answer, Answer)}
    assert len(given) == 1
    async with database.reading() as tx:
        assert await tx.value(text("SELECT count(*) FROM limit_counters")) == 1


async def test_many_keys_at_a_time(database: Database) -> None:
    await act(database, key("old"), 1)
    requests = [KeyedRequest(RequestKey(ACTOR.id, name), key(name).fingerprint) for name in ("old", "new", "new")]
    other = KeyedRequest(RequestKey(ACTOR.id, "old"), b"other")
    async with database.transaction() as tx:
        standing = await idempotency.begin(tx, requests)
        assert isinstance(standing[RequestKey(ACTOR.id, "old")], Replay)
        assert isinstance(standing[RequestKey(ACTOR.id, "new")], New)
        assert isinstance((await idempotency.look_up(tx, [other]))[other.key], OtherBody)


def test_keys_are_visible_ascii() -> None:
    for bad in ("", "a b", "ключ", "x" * 256, "a\n"):
        with pytest.raises(KeyMalformed):
            key(bad)


async def test_old_keys_are_forgotten_in_slices(database: Database, move_time: MoveTime) -> None:
    await act(database, key(), 1)
    move_time(timedelta(hours=49))
    await act(database, key("young"), 2)
    async with database.transaction() as tx:
        assert await delete_old_keys(tx, 100) == 1
        assert await delete_old_keys(tx, 100) == 0
