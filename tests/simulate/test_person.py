"""How people of the simulation insist: the same request with the same key, until there is an answer."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from holdfast.app.simulate.acknowledged import Acknowledged
from holdfast.app.simulate.person import Person, Refused, Surroundings
from holdfast.app.simulate.plan import NEEDED, dice
from holdfast.app.simulate.tally import Tally
from holdfast.app.simulate.trips import TRIPS, Deck
from holdfast.app.simulate.wire import Answer, Unanswered, Wire


class ScriptedWire(Wire):
    """Answers as written; None is no answer at all."""

    def __init__(self, *script: Answer | None) -> None:
        super().__init__("http://127.0.0.1:1")
        self._script: Iterator[Answer | None] = iter(script)
        self.asked: list[tuple[str, str, Mapping[str, str]]] = []

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, hang_up: bool = False) -> Answer:
        await asyncio.sleep(0)
        self.asked.append((method, path, headers))
        answer = None if hang_up else next(self._script)
        if answer is None:
            raise Unanswered
        return answer


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, msgspec.json.encode(body or {}))


def person(*script: Answer | None) -> tuple[Person, ScriptedWire]:
    wire = ScriptedWire(*script)
    return Person(Surroundings(wire, Tally(), Acknowledged()), "+201000000001", dice(1)), wire


CREDENTIALS = {"accessToken": "new", "refreshToken": "next", "user": {"id": "usr_1"}}


async def test_the_same_key_is_sent_until_there_is_an_answer() -> None:
    somebody, wire = person(None, answer(503, retry_after="0"), answer(409, {"code": "still_running"}), answer(201, {"id": "bkg_1"}))
    assert await somebody.post("/bookings/hold", {}, what="hold", key="key-1") == {"id": "bkg_1"}
    assert [headers["idempotency-key"] for _, _, headers in wire.asked] == ["key-1"] * 4
    assert somebody.tally.unanswered["hold"] == 1
    assert somebody.tally.answers == {503: 1, 409: 1, 201: 1}


async def test_hanging_up_happens_once() -> None:
    somebody, wire = person(answer(201, {"id": "bkg_1"}))
    assert await somebody.post("/bookings/hold", {}, what="hold", key="key-1", hang_up=True) == {"id": "bkg_1"}
    assert len(wire.asked) == 2


async def test_a_refusal_is_an_answer() -> None:
    somebody, _ = person(answer(409, {"code": "sold_out"}))
    with pytest.raises(Refused) as refused:
        await somebody.post("/bookings/hold", {}, what="hold", key="key-1")
    assert refused.value.code == "sold_out"
    assert somebody.tally.refusals == {"hold: sold_out": 1}
    assert somebody.tally.fault_count == 0


async def test_an_error_of_the_server_is_a_fault() -> None:
    somebody, _ = person(answer(500, {"code": "internal"}))
    with pytest.raises(Refused):
        await somebody.get("/users/me")
    assert somebody.tally.fault_count == 1


async def test_an_access_token_that_has_ended_is_renewed() -> None:
    somebody, wire = person(
        answer(200, CREDENTIALS), answer(401), answer(200, CREDENTIALS | {"accessToken": "newer"}), answer(200, {"id": "usr_1"})
    )
    await somebody.answer_challenge("otp_1", "000000")
    await somebody.get("/users/me")
    assert [path for _, path, _ in wire.asked][2:] == ["/api/v1/auth/refresh-token", "/api/v1/users/me"]
    assert wire.asked[-1][2]["authorization"] == "Bearer newer"


def test_what_has_happened_too_rarely_is_dealt_out_more_often() -> None:
    tally, rng = Tally(), dice(1)
    deck = Deck(tally, TRIPS)
    for _ in range(len(TRIPS) * NEEDED * 4):
        tally.happened[deck.draw(rng).name] += 1
    assert min(tally.happened[trip.name] for trip in TRIPS) >= NEEDED


def test_percentiles_are_in_milliseconds() -> None:
    tally = Tally()
    assert tally.percentiles("hold", 0.5) == [0.0]
    for milliseconds in range(1, 101):
        tally.answered("hold", 201, milliseconds / 1000)
    assert [round(figure) for figure in tally.percentiles("hold", 0.5, 0.99, 1.0)] == [51, 100, 100]
