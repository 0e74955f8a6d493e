"""The express lane answers exactly what the usual way answers."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest
from litestar import Router, post
from tests.payments.till import FewRoutes, signed_in
from tests.servers import serving
from tests.shop import Shop

from holdfast.app.edge.express import NotForExpress
from holdfast.app.http import create_app
from holdfast.common.actor import Actor
from holdfast.common.guards import EXPRESS, requires
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.sessions.models import SessionId

PATH = "/api/v1/bookings/hold"


@dataclass(frozen=True)
class TwoWays:
    """One shop behind two doors: with the express lane, and without."""

    shop: Shop
    express: httpx.AsyncClient
    usual: httpx.AsyncClient


@pytest.fixture
async def ways(database: Database) -> AsyncIterator[TwoWays]:
    shop = Shop(database, live_holds_max=100)
    await shop.open()
    async with AsyncExitStack() as stack:
        clients = []
        for is_express in (True, False):
            app = create_app(FewRoutes(Settings(_env_file=None), [shop.bookings.router]))  # type: ignore[call-arg]
            assert ("POST", PATH) in app._lanes
            if not is_express:
                app._lanes = {}
            url = await stack.enter_async_context(serving(app))
            clients.append(await stack.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False)))
        yield TwoWays(shop, *clients)


def _plain(answer: httpx.Response) -> tuple[int, Mapping[str, object], Mapping[str, str]]:
    """All of an answer but what is new in each."""
    body = {name: value for name, value in answer.json().items() if name not in ("requestId", "bookingId", "holdId", "expiresAt")}
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date", "ratelimit", "content-length")}
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.status_code, body, headers


ODD_REQUESTS: Mapping[str, tuple[bytes, Mapping[str, str]]] = {
    "no body": (b"", {}),
    "no JSON": (b"{", {}),
    "another type": (b"{}", {"content-type": "text/plain"}),
    "nothing of what is needed": (b"{}", {}),
    "too many seats": (b'{"sessionId": "%(session)s", "seatsCount": 9}', {}),
    "a text for a number, in Arabic": (b'{"sessionId": "%(session)s", "seatsCount": "2"}', {"accept-language": "ar"}),
    "something unknown": (b'{"sessionId": "%(session)s", "seatsCount": 1, "seat": 3}', {}),
    "a malformed id": (b'{"sessionId": "ses_1", "seatsCount": 1}', {}),
    "another kind of id": (b'{"sessionId": "bkg_01h455vb4pex5vsknk084sn02q", "seatsCount": 1}', {}),
    "an unknown session": (b'{"sessionId": "%(unknown)s", "seatsCount": 1}', {}),
    "no key": (b'{"sessionId": "%(session)s", "seatsCount": 1}', {"idempotency-key": ""}),
    "a malformed key": (b'{"sessionId": "%(session)s", "seatsCount": 1}', {"idempotency-key": "with a blank"}),
    "nobody": (b'{"sessionId": "%(session)s", "seatsCount": 1}', {"authorization": ""}),
    "a forged token": (b'{"sessionId": "%(session)s", "seatsCount": 1}', {"authorization": "Bearer abc"}),
    "too deep": (b"[" * 40 + b"]" * 40, {}),
    "too long": (b" " * 70_000, {}),
    "nobody, and no JSON": (b"{", {"authorization": ""}),
    "no JSON, and no key": (b"{", {"idempotency-key": ""}),
    "a null byte": (b'{"sessionId": "\\u0000", "seatsCount": 1}', {}),
}


@pytest.mark.parametrize("odd", ODD_REQUESTS)
async def test_what_is_odd_is_refused_alike(ways: TwoWays, odd: str) -> None:
    session, person = await ways.shop.session(), await ways.shop.person()
    template, headers = ODD_REQUESTS[odd]
    body = template.replace(b"%(session)s", str(session.id).encode()).replace(b"%(unknown)s", str(SessionId.of(uuid4())).encode())
    usual = {"content-type": "application/json", **signed_in(person)}
    asked = {name.lower(): value for name, value in usual.items()} | headers
    answers = [
        _plain(await way.post(PATH, content=body, headers={n: v for n, v in asked.items() if v})) for way in (ways.express, ways.usual)
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] >= 400


async def test_a_hold_its_repetition_and_sold_out_are_answered_alike(ways: TwoWays) -> None:
    session, person = await ways.shop.session(seats=4), await ways.shop.person()
    headers = {name.lower(): value for name, value in signed_in(person).items()}
    answers = []
    for way in (ways.express, ways.usual):
        key = {**headers, "idempotency-key": str(uuid4())}
        wish = {"sessionId": str(session.id), "seatsCount": 2}
        answers.append(
            [
                _plain(await way.post(PATH, json=wish, headers=key)),
                _plain(await way.post(PATH, json=wish, headers=key)),
                _plain(await way.post(PATH, json={**wish, "seatsCount": 1}, headers=key)),
            ]
        )
    assert [status for status, _, _ in answers[0]] == [201, 201, 422]
    assert answers[0][1][2]["idempotency-replayed"] == "true"
    for express, usual in zip(*answers, strict=True):
        assert (express[0], express[2]) == (usual[0], usual[2])
        assert {**express[1], "availableSeats": 0} == {**usual[1], "availableSeats": 0}
    full = [
        _plain(await way.post(PATH, json={**wish, "seatsCount": 1}, headers={**headers, "idempotency-key": str(uuid4())}))
        for way in (ways.express, ways.usual)
    ]
    assert full[0] == full[1]
    assert full[0][1]["code"] == "sold_out"


async def test_a_query_takes_the_usual_way(ways: TwoWays) -> None:
    person = await ways.shop.person()
    answer = await ways.express.post(f"{PATH}?seats=1", json={}, headers={**signed_in(person), "idempotency-key": "k"})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "seats")


async def test_a_route_with_parameters_is_none_for_the_lane() -> None:
    @post("/{name:str}", guards=[requires()], opt=EXPRESS)
    async def named(name: str, actor: Actor) -> None: ...

    with pytest.raises(NotForExpress):
        create_app(FewRoutes(Settings(_env_file=None), [Router("/", route_handlers=[named])]))  # type: ignore[call-arg]
