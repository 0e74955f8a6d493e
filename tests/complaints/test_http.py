"""Complaints over HTTP, in the whole program."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, "", tmp_path) as opened:
        yield opened


async def test_a_complaint_from_the_first_word_to_the_answer(world: World) -> None:
    _, session_id = await world.session()
    passenger, stranger, admin = await world.person(), await world.person(), await world.admin()
    booking_id = (await passenger.hold(session_id)).body["bookingId"]

    complaint = {"bookingId": booking_id, "message": "The driver left without me."}
    opened = await passenger.post("/complaints", complaint, key="once")
    assert (opened.status, opened.body["status"], opened.headers["etag"]) == (201, "OPEN", '"1"'), opened
    again = await passenger.post("/complaints", complaint, key="once")
    assert (again.status, again.body, again.headers.get("idempotency-replayed")) == (201, opened.body, "true")
    path = f"/complaints/{opened.body['id']}"

    for body, status, code in (
        ({"bookingId": booking_id, "message": " "}, 422, "invalid"),
        ({"bookingId": booking_id, "message": "x" * 2_001}, 422, "invalid"),
        ({"bookingId": "nonsense", "message": "Hm."}, 422, "invalid"),
        ({"bookingId": session_id, "message": "Hm."}, 404, "not_found"),
        ({"bookingId": booking_id, "message": "Hm.", "refund": 1000}, 422, "invalid"),
    ):
        refused = await passenger.post("/complaints", body)
        assert (refused.status, refused.body["code"]) == (status, code), refused
    assert (await stranger.post("/complaints", complaint)).body["code"] == "booking_unknown"
    assert (await stranger.get(path)).status == 404
    assert (await stranger.get("/complaints/my")).body["data"] == []
    assert (await stranger.get("/complaints")).status == 403
    assert (await stranger.ask("PATCH", path, {"status": "CLOSED"}, If_Match='"1"')).status == 403
    assert (await world.ask("GET", "/complaints/my")).status == 401

    assert (await admin.ask("PATCH", path, {"status": "IN_REVIEW"})).status == 428
    assert (await admin.ask("PATCH", path, {"status": "IN_REVIEW"}, If_Match='"7"')).body["code"] == "outdated"
    assert (await admin.ask("PATCH", path, {}, If_Match='"1"')).status == 422
    assert (await admin.ask("PATCH", path, {"status": "CLOSED"}, If_Match='"1"')).body["code"] == "complaint_open"
    reviewed = await admin.ask("PATCH", path, {"status": "in_review"}, If_Match='"1"')
    assert (reviewed.status, reviewed.body["status"], reviewed.headers["etag"]) == (200, "IN_REVIEW", '"2"')
    assert (await admin.ask("PATCH", path, {"status": "CLOSED"}, If_Match='"2"')).status == 422
    closed = await admin.ask("PATCH", path, {"status": "CLOSED", "adminNote": "We warned him."}, If_Match='"2"')
    assert (closed.status, closed.body["adminNote"]) == (200, "We warned him.")

    assert (await passenger.get("/complaints/my")).body["data"] == [closed.body]
    assert (await passenger.get(path)).body == closed.body
    assert (await admin.get(f"/complaints?status=CLOSED&bookingId={booking_id}")).body["data"] == [closed.body]
    assert (await admin.get("/complaints?status=open")).body["data"] == []
    assert (await admin.get("/complaints?status=angry")).status == 422
    assert (await admin.get("/complaints?bookingId=angry")).status == 422
    assert (await admin.get("/complaints/cmp_nonsense")).status == 422

    async def told() -> bool:
        rows = (await passenger.get("/notifications")).body["data"]
        return [row["type"] for row in rows] == ["COMPLAINT_ANSWERED", "COMPLAINT_IN_REVIEW"]

    await world.until(told)
