"""What a process remembers of what was sold out, and what it asks the others about."""

import asyncio

import pytest

from holdfast.bookings import seats
from holdfast.bookings.seats import SoldOutMemo
from holdfast.cache import Marks
from holdfast.cache.link import RedisLink
from holdfast.inventory import PoolId, Shortage
from holdfast.sessions.models import SessionId


async def test_another_process_hears_of_it_and_is_not_asked_with_every_batch(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    link, sold_out, other = RedisLink(redis_url), SessionId.new(), SessionId.new()
    here, there = SoldOutMemo(Marks(link)), SoldOutMemo(Marks(link))
    assert await there.recall([sold_out, other]) == {}
    shortage = Shortage(PoolId.new(), free=0, closed=False)
    await here.note({sold_out: shortage})
    assert await here.recall([sold_out, other]) == {sold_out: shortage}
    # It was asked a moment ago.
    assert await there.recall([sold_out, other]) == {}
    while not (heard := await there.recall([sold_out, other])):
        await asyncio.sleep(0.01)
    assert set(heard) == {sold_out}
    monkeypatch.setattr(seats, "ASKED_AGAIN_S", 0.0)
    assert set(await SoldOutMemo(Marks(link)).recall([sold_out, other])) == {sold_out}
    await link.close()


async def test_no_more_is_remembered_than_said(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "REMEMBERED_MAX", 2)
    link = RedisLink(redis_url)
    memo = SoldOutMemo(Marks(link))
    for _ in range(3):
        assert await memo.recall([SessionId.new(), SessionId.new()]) == {}
        assert len(memo._ask_again_at) == 2
    await link.close()
