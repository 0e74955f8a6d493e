"""One flow, run once: cut somewhere or not at all, brought to its end as people and workers do, and judged."""

import asyncio
import shutil
from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from holdfast.app.check.examination import examine
from holdfast.app.crashpoints.cuts import Boundary, Cut, Knife
from holdfast.app.crashpoints.flows import Act, Ask, Deliver, Flow, TimePasses, Work
from holdfast.app.crashpoints.stand import Answer, Stand
from holdfast.app.crashpoints.town import SQL

T = TypeVar("T")

REPEATS_MAX = 8
LOOK_AGAIN_S = 0.01
ROUNDS_MAX = 6
ROUND_S = 25
"""How far time goes on between two looks of the worker: longer than it leaves an answer to whoever called for it."""

WEBHOOK = "/webhooks/gateways/sandbox"
_UNAVAILABLE, _CONFLICT, _FAULT, _SUCCESS = 503, 409, 500, range(200, 300)
_NOT_KNOWN_YET = ("still_running", "payment_running")
_EVERYTHING: tuple[str, ...] = ()

Told = tuple[str, ...]


class Course(Struct, frozen=True):
    """How a trial went. ``wrong`` says what must not be; empty is good."""

    seen: Sequence[Boundary]
    told: Told
    facts: dict[str, int]
    wrong: Sequence[str]


class Trial:
    """A flow on a stand, from its prepared start."""

    def __init__(self, stand: Stand, flow: Flow, consumers: Sequence[str], known: Mapping[str, str] | None = None) -> None:
        """``consumers``: who reads the event log. ``known``: what was answered when its start was made."""
        self._stand = stand
        self._flow = flow
        self._consumers = consumers
        self.known = {"route": str(stand.town.route), "station": str(stand.town.station), **(known or {})}
        self._answers: list[tuple[Ask, str, Answer]] = []
        self._wrong: list[str] = []

    async def prepare(self, template: str, to: str, bank_file: Path) -> None:
        """Make the start of the flow, and keep it as a database and a file."""
        async with self._stand.trial(template, None, Knife()):
            self._stand.knife.sheathe()
            for number, act in enumerate(self._flow.before):
                await self._do(act, f"before {number}")
        refused = [f"{act.path}: {answer.in_words}" for act, _, answer in self._answers if answer.status not in _SUCCESS]
        assert not self._wrong + refused, f"{self._flow.name} cannot begin: {self._wrong + refused}"
        await self._stand.town.copy(self._stand.database, to)
        shutil.copy(self._stand.bank_file, bank_file)

    async def run(self, template: str, bank_file: Path, at: Boundary | None = None, cut: Cut | None = None) -> Course:
        """The flow, cut at one boundary or not at all."""
        knife = Knife(at, cut)
        async with self._stand.trial(template, bank_file, knife):
            for number, act in enumerate(self._flow.acts):
                await self._do(act, f"act {number}")
            knife.sheathe()
            if at is not None and not knife.has_cut:
                self._wrong.append(f"it never came to {at.number}: {at.what}")
            await self._recover()
            told = tuple(answer.in_words for _, _, answer in self._answers)
            await self._ask_again()
            return Course(knife.seen, told, await self._judge(), self._wrong)

    # What happens -----------------------------------------------------------------------------------------------------------------

    async def _do(self, act: Act, key: str) -> None:
        match act:
            case Ask():
                await self._ask(act, key)
            case Deliver():
                await self._deliver()
            case TimePasses(seconds):
                await self._move_time(seconds)
            case Work(steps):
                await self._work(steps)

    async def _ask(self, act: Ask, key: str) -> None:
        for attempt in range(REPEATS_MAX):
            answer = await self._send(act, key)
            if self._hangs():
                answer = await self._meanwhile(self._send(act, key))
            if answer is not None and (_is_known(answer) or not act.waits):
                self._answers.append((act, key, answer))
                self.known |= {name: answer.body[field] for name, field in act.keeps.items() if field in answer.body}
                return
            # Whoever's connection breaks asks again at once; whoever hears that it is not known yet waits.
            if answer is not None or attempt:
                await self._work_later()
        self._wrong.append(f"nobody ever knew what became of {act.path}")

    async def _send(self, act: Ask, key: str) -> Answer | None:
        headers = {
            "Authorization": f"Bearer {self._stand.token(act.who)}",
            "Idempotency-Key": key.replace(" ", "-"),
            "Content-Type": "application/json",
        }
        body = {name: value.format_map(self.known) if isinstance(value, str) else value for name, value in act.body.items()}
        content = msgspec.json.encode(body) if body else b""
        answer = await self._stand.ask("POST", act.path.format_map(self.known), content, headers)
        if answer is not None and answer.status == _FAULT:
            self._wrong.append(f"{act.path} was answered with a fault of ours")
        return answer

    async def _deliver(self) -> None:
        assert self._stand.bank is not None
        for _ in range(REPEATS_MAX):
            left = False
            for headers, body in await self._stand.bank.messages():
                answer = await self._stand.ask("POST", WEBHOOK, body, headers)
                if self._hangs():
                    answer = await self._meanwhile(self._stand.ask("POST", WEBHOOK, body, headers))
                left |= answer is None or answer.status not in _SUCCESS
            if not left:
                return
        self._wrong.append("a message of the gateway was never taken")

    async def _work(self, steps: tuple[str, ...]) -> None:
        """A worker; where it hangs another one goes on beside it."""
        await self._until_readable()
        working, knife = await self._stand.start_work(steps), self._stand.knife
        held = asyncio.create_task(knife.held.wait())
        if not knife.held.is_set():
            await asyncio.wait({working, held}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await self._meanwhile(await self._stand.start_work(steps))
        held.cancel()
        await working

    def _hangs(self) -> bool:
        """Whether an answer is being kept back."""
        return self._stand.knife.held.is_set() and not self._stand.knife.given_up.is_set()

    async def _meanwhile(self, doing: Awaitable[T]) -> T:
        """Do it while the first one hangs. When it is done, or waits for what that has locked, the time of that is over."""
        assert self._stand.books is not None
        done = asyncio.ensure_future(doing)
        while not done.done() and not (await self._stand.books.rows(SQL.is_somebody_blocked))[0]["is_blocked"]:
            await asyncio.wait({done}, timeout=LOOK_AGAIN_S)
        self._stand.knife.given_up.set()
        return await done

    async def _work_later(self) -> None:
        await self._move_time(ROUND_S)
        await self._work(_EVERYTHING)

    async def _move_time(self, seconds: int) -> None:
        assert self._stand.books is not None
        await self._stand.books.run(SQL.move_time, seconds=seconds)

    async def _until_readable(self) -> None:
        assert self._stand.books is not None
        # Other trials share the cluster: nobody could tell us when their transactions end.
        while not (await self._stand.books.rows(SQL.is_all_readable))[0]["is_readable"]:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN_S)

    # How it ends ------------------------------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """Let the worker do what is left to do, and move the time on until it has."""
        assert self._stand.books is not None
        for _ in range(ROUNDS_MAX):
            await self._work(_EVERYTHING)
            while await self._stand.books.rows(SQL.behind):
                await self._work(_EVERYTHING)
            if not await self._stand.books.rows(SQL.undecided):
                return
            await self._move_time(ROUND_S)
        self._wrong += [f"undecided: {row['what']} {row['id']}" for row in await self._stand.books.rows(SQL.undecided)]

    async def _ask_again(self) -> None:
        """Who was told something is told the same again."""
        for act, key, told in self._answers:
            again = await self._send(act, key)
            if told.status in _SUCCESS and again != told:
                self._wrong.append(
                    f"{act.path} was answered {told.in_words}, and {again.in_words if again else 'nothing'} when it was repeated"
                )

    async def _judge(self) -> dict[str, int]:
        stand = self._stand
        assert stand.books is not None
        assert stand.bank is not None
        await self._until_readable()
        await stand.books.run(SQL.show_worker)
        found = await examine(
            stand.town.postgres.url("holdfast_app", stand.database),
            consumers=self._consumers,
            gateways=[stand.bank.gateway],
            settled_grace=timedelta(0),
            test_clock=True,
        )
        self._wrong += [f"{each.number} {each.name}: {each.rows[0]}" for each in found.findings if not each.holds]
        self._wrong += stand.faults
        facts = {row["what"]: int(row["many"]) for row in await stand.books.rows(SQL.facts)}
        return facts | await stand.bank.moved()


def _is_known(answer: Answer) -> bool:
    """Whether whoever asked knows now what became of it."""
    if answer.status in (_UNAVAILABLE, _FAULT):
        return False
    if answer.status == _CONFLICT:
        return answer.body.get("code") not in _NOT_KNOWN_YET
    return answer.body.get("status") != "INITIATED" or answer.body.get("nextAction") is not None
