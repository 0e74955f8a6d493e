"""Requests that arrive while a batch runs form the next one. Nobody waits while nothing runs."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from holdfast.common.errors import Overloaded

Q = TypeVar("Q")
A = TypeVar("A")

IN_FLIGHT_MAX = 2
SIZE_MAX = 200
WAITING_MAX = 10_000


class Batcher(Generic[Q, A]):
    """Collects single requests into sets for ``run``, in the order of their arrival.

    ``run`` answers each request of a set, at its place, with a result or with the exception to raise for it. What it raises
    itself is raised for all of the set. Beyond ``waiting_max`` requests in line, ``ask`` raises Overloaded at once.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Q]], Awaitable[Sequence[A | BaseException]]],
        *,
        in_flight_max: int = IN_FLIGHT_MAX,
        size_max: int = SIZE_MAX,
        waiting_max: int = WAITING_MAX,
    ) -> None:
        self._run = run
        self._in_flight_max = in_flight_max
        self._size_max = size_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._runners: set[asyncio.Task[None]] = set()
        self._running = 0

    async def ask(self, request: Q) -> A:
        """The answer to one request. Cancelling the caller does not stop its batch."""
        if len(self._waiting) >= self._waiting_max:
            raise Overloaded
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._running < self._in_flight_max:
            self._running += 1
            runner = asyncio.create_task(self._run_batches())
            self._runners.add(runner)
            runner.add_done_callback(self._runners.discard)
        return await answer

    async def _run_batches(self) -> None:
        # A runner counts as stopped in the same step in which it finds nobody waiting: with an await in between, a request
        # that arrives there would start no runner and be seen by none.
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._size_max))]
            await self._answer(batch)
        self._running -= 1

    async def _answer(self, batch: Sequence[tuple[Q, "asyncio.Future[A]"]]) -> None:
        results: Sequence[A | BaseException]
        try:
            results = await self._run([request for request, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result(result)
