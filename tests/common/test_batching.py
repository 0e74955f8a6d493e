"""Requests form sets while a set runs, and every request gets its own answer."""

import asyncio
from collections.abc import Sequence

import pytest

from holdfast.common.batching import Batcher
from holdfast.common.errors import Overloaded


class Counter:
    """Doubles numbers, refuses negative ones, and lets the test say when a set is done."""

    def __init__(self) -> None:
        self.sets: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def run(self, requests: Sequence[int]) -> Sequence[int | BaseException]:
        self.sets.append(list(requests))
        await self.may_answer.wait()
        if 13 in requests:
            raise RuntimeError("unlucky")
        return [ValueError(number) if number < 0 else number * 2 for number in requests]


async def started(counter: Counter, sets: int) -> None:
    while len(counter.sets) < sets:
        await asyncio.sleep(0)


async def test_what_arrives_while_two_sets_run_forms_the_next_in_order_of_arrival() -> None:
    counter = Counter()
    batcher = Batcher(counter.run, in_flight_max=2, size_max=3)
    tasks = []
    for number in range(2):
        tasks.append(asyncio.create_task(batcher.ask(number)))
        await started(counter, number + 1)
    tasks += [asyncio.create_task(batcher.ask(number)) for number in range(2, 7)]
    await asyncio.sleep(0)
    counter.may_answer.set()
    assert await asyncio.gather(*tasks) == [number * 2 for number in range(7)]
    assert counter.sets[2:] == [[2, 3, 4], [5, 6]]


async def test_one_refusal_does_not_touch_its_neighbours() -> None:
    counter = Counter()
    counter.may_answer.set()
    batcher = Batcher(counter.run, in_flight_max=1)
    answers = await asyncio.gather(*(batcher.ask(number) for number in (1, -1, 2)), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 4


async def test_a_set_that_fails_fails_for_all_of_it_and_the_next_goes_on() -> None:
    counter = Counter()
    counter.may_answer.set()
    batcher = Batcher(counter.run, in_flight_max=1)
    with pytest.raises(RuntimeError):
        await batcher.ask(13)
    assert await batcher.ask(1) == 2


async def test_a_caller_who_gives_up_does_not_stop_the_set() -> None:
    counter = Counter()
    batcher = Batcher(counter.run, in_flight_max=1)
    impatient, patient = asyncio.create_task(batcher.ask(1)), asyncio.create_task(batcher.ask(2))
    await started(counter, 1)
    impatient.cancel()
    counter.may_answer.set()
    assert await patient == 4


async def test_a_full_line_is_refused_at_once() -> None:
    counter = Counter()
    batcher = Batcher(counter.run, in_flight_max=1, waiting_max=2)
    running = asyncio.create_task(batcher.ask(0))
    await started(counter, 1)
    waiting = [asyncio.create_task(batcher.ask(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await batcher.ask(3)
    counter.may_answer.set()
    assert await asyncio.gather(running, *waiting) == [0, 2, 4]


async def test_nobody_waits_for_ever_when_requests_arrive_one_by_one() -> None:
    counter = Counter()
    counter.may_answer.set()
    batcher = Batcher(counter.run)
    for number in range(100, 300):
        assert await asyncio.wait_for(batcher.ask(number), 1) == number * 2
        await asyncio.sleep(0)


async def test_no_more_sets_run_at_once_than_may() -> None:
    counter = Counter()
    batcher = Batcher(counter.run, in_flight_max=2, size_max=1)
    tasks = [asyncio.create_task(batcher.ask(number)) for number in range(5)]
    await started(counter, 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert counter.sets == [[0], [1]]
    counter.may_answer.set()
    assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8]
    assert batcher._running == 0
    assert not batcher._runners


async def test_who_did_not_say_gets_two_sets_of_two_hundred_and_ten_thousand_in_line() -> None:
    counter = Counter()
    batcher = Batcher(counter.run)
    tasks = [asyncio.create_task(batcher.ask(number)) for number in range(10_002)]
    await started(counter, 2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [len(each) for each in counter.sets] == [200, 200]
    tasks += [asyncio.create_task(batcher.ask(0)) for _ in range(500)]
    await asyncio.sleep(0)
    counter.may_answer.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    # Two sets run, ten thousand are in line, and everybody else was refused.
    assert sum(isinstance(answer, Overloaded) for answer in answers) == len(answers) - 10_000 - 400
    assert max(len(each) for each in counter.sets) == 200
