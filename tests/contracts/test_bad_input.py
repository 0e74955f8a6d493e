"""Bad input of every sort, on the real program: each gets its clear problem, and nothing in the database changes."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis.asyncio as redis_module
from sqlalchemy import text
from tests.world import API, Person, World, open_world

from holdfast.bookings.models import BookingId
from holdfast.sessions.models import SessionId
from holdfast.stations.models import StationId

# What is counted, not sold: how often somebody tried, and what the database keeps for itself.
NOT_SOLD = "^(limit_counters|alembic_version|procrastinate_.*)$"


@pytest.fixture
async def world(database_url: str, redis_url: str, redis: redis_module.Redis, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, redis_url, tmp_path, worker=False, HOLDFAST_REQUESTS_PER_MINUTE="0") as opened:
        yield opened


async def everything(world: World) -> dict[str, str]:
    """A checksum of every table."""
    row = "string_agg(t::text, chr(10) ORDER BY t::text)"
    found: dict[str, str] = {}
    async with world.program.database.reading() as tx:
        tables = await tx.rows(
            text(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND NOT relispartition"
                f" AND relname !~ '{NOT_SOLD}' AND has_table_privilege(oid, 'SELECT')"
            )
        )
        for (name,) in (tuple(row.values()) for row in tables):
            found[name] = str(await tx.value(text(f"SELECT count(*) || ' ' || md5(coalesce({row}, '')) FROM \"{name}\" t")))
    return found


async def send(world: World, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    sent = {"Content-Type": "application/json", "Idempotency-Key": str(uuid4()), **headers}
    async with world.http.request(method, f"{world.base_url}{API}{path}", data=content, headers=sent) as response:
        assert response.headers["X-Request-Id"]
        assert response.content_type == "application/problem+json", (path, content, response.status)
        return response.status, await response.json(content_type=None)


def of(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


async def test_bad_bodies_change_nothing(world: World) -> None:
    _, session_id = await world.session()
    person = await world.person()
    held = await person.hold(session_id)
    before = await everything(world)

    hold = {"sessionId": session_id, "seatsCount": 1}
    pay = {"holdId": held.body["holdId"], "method": "CARD", "token": "tok_success"}
    bodies: list[tuple[str, bytes | object, set[int]]] = [
        ("/bookings/hold", content, {status})
        for content, status in (
            (b"", 400),
            (b"{", 400),
            (b"null", 422),
            (b"[]", 422),
            (b"\xff\xfe{\x00", 400),
            (json.dumps(hold).encode("utf-16"), 400),
            (json.dumps(hold).encode().replace(b"ses_", b"ses\x00"), 400),
            (b"[" * 50_000, 400),
            (b'{"sessionId":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001, 400),
            (b'{"seatsCount": ' + b"9" * 4_000 + b"}", 422),
            (b'{"seatsCount": NaN}', 400),
            (b"{" + b" " * 70_000 + b"}", 413),
        )
    ]
    changes: tuple[tuple[object, set[int]], ...] = (
        ({"seatsCount": 0}, {422}),
        ({"seatsCount": -1}, {422}),
        ({"seatsCount": 9}, {422}),
        ({"seatsCount": 1.5}, {422}),
        ({"seatsCount": "1"}, {422}),
        ({"seatsCount": True}, {422}),
        ({"seatsCount": None}, {422}),
        ({"seatsCount": [1]}, {422}),
        ({"seatsCount": 2**31}, {422}),
        ({"seatsCount": 2**63}, {422}),
        ({"seatsCount": 10**400}, {422}),
        ({"seats": 1}, {422}),
        ({"sessionId": None}, {422}),
        ({"sessionId": 5}, {422}),
        ({"sessionId": ""}, {422}),
        ({"sessionId": "ses_"}, {422}),
        ({"sessionId": session_id + "0"}, {422}),
        ({"sessionId": session_id.upper()}, {422}),
        ({"sessionId": "ses_\u0000"}, {422}),
        ({"sessionId": "'; DROP TABLE bookings; --"}, {422}),
        ({"sessionId": str(StationId.new())}, {404}),
        ({"sessionId": str(SessionId.new())}, {404}),
    )
    bodies += [("/bookings/hold", {**hold, **change}, statuses) for change, statuses in changes]  # type: ignore[dict-item]
    bodies += [
        ("/payments/pay", {**pay, **change}, statuses)
        for change, statuses in (
            ({"method": "GOLD"}, {422}),
            ({"method": ""}, {422}),
            ({"token": "t\u0000"}, {422}),
            ({"token": "t" * 5_000}, {422}),
            ({"token": 5}, {422}),
            ({"amount": -1}, {422}),
            ({"holdId": str(BookingId.new())}, {404, 422}),
            ({"holdId": session_id}, {404}),
            ({"bookingId": 1}, {422}),
        )
    ]
    for path, body, statuses in bodies:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, problem = await send(world, "POST", path, content, of(person))
        assert status in statuses, (path, content[:100], status, problem)
        assert status != 422 or problem["errors"], problem
    for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        status, _ = await send(world, "POST", "/bookings/hold", json.dumps(hold).encode(), {**of(person), "Content-Type": kind})
        assert status == 415
    assert await everything(world) == before


async def test_what_belongs_to_others_is_not_there(world: World) -> None:
    """Others' things are 404, as if they were not: nobody learns from a status that an id is good."""
    driver, session_id = await world.session()
    owner, stranger = await world.person(), await world.person()
    held = await owner.hold(session_id)
    sold = await owner.hold(session_id)
    paid = await owner.pay(sold.body["holdId"])
    other_driver = await world.driver()
    before = await everything(world)

    tries: list[tuple[Person, str, str, object]] = [
        (stranger, "GET", f"/bookings/{held.body['bookingId']}", None),
        (stranger, "POST", f"/bookings/{held.body['bookingId']}/release", None),
        (stranger, "POST", f"/bookings/{sold.body['bookingId']}/cancel", {}),
        (stranger, "POST", "/payments/pay", {"holdId": held.body["holdId"], "method": "CARD", "token": "tok_success"}),
        (stranger, "GET", f"/payments/{paid.body['id']}", None),
        (stranger, "POST", "/complaints", {"bookingId": held.body["bookingId"], "message": "Not mine."}),
        (other_driver, "POST", f"/sessions/{session_id}/close", None),
        (other_driver, "POST", f"/sessions/{session_id}/cancel", {"reason": "Not mine."}),
        (other_driver, "POST", "/payouts", {"sessionId": session_id}),
    ]
    for person, method, path, body in tries:
        content = None if body is None else json.dumps(body).encode()
        status, problem = await send(world, method, path, content, of(person))
        assert status == 404, (path, status, problem)
    for path in ("/users", "/complaints", "/payouts", "/audit/logs", "/reports/finance", "/drivers"):
        status, _ = await send(world, "GET", path, None, of(stranger))
        assert status == 403, path
    for path, body in (("/sessions/start", {}), ("/routes", {}), ("/stations", {})):
        status, _ = await send(world, "POST", path, json.dumps(body).encode(), of(stranger))
        assert status == 403, path
    assert driver.token != other_driver.token
    assert await everything(world) == before


async def test_nobody_comes_in_with_a_bad_token(world: World) -> None:
    _, session_id = await world.session()
    person = await world.person()
    before = await everything(world)
    head, body, signature = person.token.split(".")
    flipped = signature[:-3] + ("AAA" if not signature.endswith("AAA") else "BBB")
    tokens = ["", "x", "null", ".".join((head, body, flipped)), f"{head}.{body}.", person.token + "x", person.token[:-20], "é", "a" * 9_000]
    headers = [f"Bearer {token}" for token in tokens] + [
        "Basic eDp5",
        f"Token {person.token}",
        person.token,
        f"Bearer {person.token} {person.token}",
    ]
    hold = json.dumps({"sessionId": session_id, "seatsCount": 1}).encode()
    for header in headers:
        status, problem = await send(world, "POST", "/bookings/hold", hold, {"Authorization": header})
        assert (status, problem["code"]) == (401, "not_signed_in"), header[:50]
    assert await everything(world) == before


async def test_keys_are_not_mixed_up(world: World) -> None:
    _, session_id = await world.session()
    person, other = await world.person(), await world.person()
    first = await person.hold(session_id, key="one")
    assert first.status == 201
    before = await everything(world)
    again = await person.hold(session_id, key="one")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    changed = await person.hold(session_id, 2, key="one")
    assert (changed.status, changed.body["code"]) == (422, "idempotency_key_reused")
    for key in ("", " ", "a" * 256, "a b"):
        status, _ = await send(
            world,
            "POST",
            "/bookings/hold",
            json.dumps({"sessionId": session_id, "seatsCount": 1}).encode(),
            {**of(person), "Idempotency-Key": key},
        )
        assert status == 400
    missing = await world.ask("POST", "/bookings/hold", {"sessionId": session_id, "seatsCount": 1}, **of(person))
    assert (missing.status, missing.body["code"]) == (400, "idempotency_key_missing")
    assert await everything(world) == before
    assert (await other.hold(session_id, key="one")).status == 201
