"""The load generator: a process of its own that asks over kept connections, each again as soon as it has its answer.

``python -m holdfast.app.bench.load JOB RESULT`` reads a LoadJob and writes a LoadResult; SIGTERM ends it early. It speaks just as
much HTTP as our server answers in, on prepared bytes, so that it takes a small share of the processors; what it takes it says.
"""

import asyncio
import random
import signal
import sys
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import cast

import msgspec
import uvloop
from msgspec import Struct

from holdfast.app.bench.figures import percentile

BUCKET_S = 0.1
DRAIN_S_MAX = 30.0
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)


class Target(Struct, frozen=True):
    """What to ask: a method, a path, and a JSON body or none."""

    method: str
    path: str
    body: str = ""


class LoadJob(Struct, frozen=True):
    """Ask ``targets`` on ``connections`` for ``seconds``, or until ``requests_max`` were sent.

    People take turns; targets are drawn at random, ``hot_share`` of the time among the first ``hot_targets``. ``in_turn``: the targets
    take turns as well, each with the token at its place, and none comes twice. ``expected`` are the statuses that are no errors.
    """

    port: int
    targets: list[Target]
    tokens: list[str]
    expected: list[int]
    seconds: float
    connections: int = 64
    requests_max: int = 0
    hot_targets: int = 0
    hot_share: float = 0.0
    in_turn: bool = False
    seed: int = 1
    key_prefix: str = ""


class LoadResult(Struct, frozen=True):
    """``seconds`` from the first request to the last answer. ``began_at`` is the wall clock; ``buckets`` count answers per 100 ms."""

    began_at: float
    seconds: float
    statuses: dict[int, int]
    unexpected: int
    first_unexpected: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_s: float
    buckets: list[int]

    def rate_between(self, start: float, end: float) -> float:
        """Answers per second between two moments of the wall clock, to the tenth of a second."""
        first, last = round((start - self.began_at) / BUCKET_S), round((end - self.began_at) / BUCKET_S)
        first, last = max(first, 0), max(last, first + 1)
        return sum(self.buckets[first:last]) / ((last - first) * BUCKET_S)

    def count(self, *statuses: int) -> int:
        return sum(self.statuses.get(status, 0) for status in statuses)


class _Prepared(Struct, frozen=True):
    start: bytes
    end: bytes


class Load:
    """One job while it runs."""

    def __init__(self, job: LoadJob) -> None:
        self.job = job
        self._rng = random.Random(job.seed)  # noqa: S311 - nothing secret.
        self._targets = [_prepare(target) for target in job.targets]
        self._people = [f"Authorization: Bearer {token}\r\nIdempotency-Key: {job.key_prefix}".encode() for token in job.tokens]
        self._sent = 0
        self._open = 0
        self._until = 0.0
        self.began = 0.0
        self.ended = 0.0
        self.latencies = array("d")
        self.answered_at = array("d")
        self.statuses: Counter[int] = Counter()
        self.unexpected = 0
        self.first_unexpected = ""
        self._expected = frozenset(job.expected)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def begin(self, connections: "list[Connection]") -> None:
        self.began = time.perf_counter()
        self._until = self.began + self.job.seconds
        self._open = len(connections)
        for connection in connections:
            connection.ask()

    def end(self) -> None:
        """Ask no more; wait for what was asked."""
        self._until = 0.0

    def next_request(self, now: float) -> bytes | None:
        """None where there is nothing left to ask."""
        job = self.job
        if now >= self._until or (job.requests_max and self._sent >= job.requests_max) or (job.in_turn and self._sent >= len(job.targets)):
            return None
        number = self._sent
        self._sent += 1
        targets = self._targets
        if job.in_turn:
            target = targets[number]
        elif len(targets) == 1:
            target = targets[0]
        elif job.hot_targets and self._rng.random() < job.hot_share:
            target = targets[int(self._rng.random() * job.hot_targets)]
        else:
            target = targets[int(self._rng.random() * len(targets))]
        return b"%s%s%d%s" % (target.start, self._people[number % len(self._people)], number, target.end)

    def answered(self, asked_at: float, now: float, status: int, head: bytes) -> None:
        self.latencies.append(now - asked_at)
        self.answered_at.append(now)
        self.statuses[status] += 1
        if status not in self._expected:
            self.refused(f"{status}: {head.decode(errors='replace')}")

    def refused(self, what: str) -> None:
        self.unexpected += 1
        self.first_unexpected = self.first_unexpected or what[:2000]

    def one_less(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.done.done():
            self.ended = time.perf_counter()
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._asked_at = 0.0
        self._is_asking = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # That of uvloop is none of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_asking:
            self._is_asking = False
            self._load.refused(f"the connection was lost: {exc}")
            self._load.one_less()

    def ask(self) -> None:
        assert self._transport is not None
        now = time.perf_counter()
        request = self._load.next_request(now)
        if request is None:
            self._is_asking = False
            self._load.one_less()
            return
        self._is_asking = True
        self._asked_at = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            self._received = received
            return
        at = received.find(_LENGTH, 0, head_end)
        length = int(received[at + len(_LENGTH) : received.find(b"\r", at)]) if at >= 0 else 0
        if len(received) < head_end + 4 + length:
            self._received = received
            return
        self._received = b""
        self._load.answered(self._asked_at, time.perf_counter(), int(received[_STATUS]), received)
        self.ask()

    def close(self) -> None:
        self._is_asking = False
        if self._transport is not None:
            self._transport.abort()


def _prepare(target: Target) -> _Prepared:
    body = target.body.encode()
    kind = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if target.method != "GET" else b""
    return _Prepared(f"{target.method} {target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode(), b"\r\n" + kind + b"\r\n" + body)


async def run(job: LoadJob) -> LoadResult:
    """Raises OSError where nobody listens."""
    loop = asyncio.get_running_loop()
    load = Load(job)
    loop.add_signal_handler(signal.SIGTERM, load.end)
    opened = [await loop.create_connection(lambda: Connection(load), "127.0.0.1", job.port) for _ in range(job.connections)]
    connections = [connection for _, connection in opened]
    began_at, cpu = time.time(), time.process_time()
    load.begin(connections)
    try:
        async with asyncio.timeout(job.seconds + DRAIN_S_MAX):
            await load.done
    except TimeoutError:
        load.ended = time.perf_counter()
        load.refused(f"some answers did not come within {DRAIN_S_MAX:.0f} s")
    cpu = time.process_time() - cpu
    for connection in connections:
        connection.close()
    return _result(load, began_at, cpu)


def _result(load: Load, began_at: float, cpu_s: float) -> LoadResult:
    ordered = sorted(load.latencies) or [0.0]
    buckets = [0] * (int((load.ended - load.began) / BUCKET_S) + 1)
    for at in load.answered_at:
        buckets[int((at - load.began) / BUCKET_S)] += 1
    p50, p95, p99 = (round(percentile(ordered, share) * 1000, 3) for share in (0.50, 0.95, 0.99))
    return LoadResult(
        began_at=began_at,
        seconds=load.ended - load.began,
        statuses=dict(load.statuses),
        unexpected=load.unexpected,
        first_unexpected=load.first_unexpected,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu_s=cpu_s,
        buckets=buckets,
    )


def main() -> None:
    job, result = Path(sys.argv[1]), Path(sys.argv[2])
    done = uvloop.run(run(msgspec.json.decode(job.read_bytes(), type=LoadJob)))
    result.write_bytes(msgspec.json.encode(done))


if __name__ == "__main__":
    main()
