"""Notifications over HTTP, in the whole program."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.world import World, open_world


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, "", tmp_path) as opened:
        yield opened


async def test_an_inbox_in_two_languages(world: World) -> None:
    _, session_id = await world.session()
    passenger, stranger = await world.person(), await world.person()
    held = await passenger.hold(session_id, 2)
    assert (await passenger.pay(held.body["holdId"])).body["status"] == "SUCCESS"
    second = await passenger.hold(session_id)
    await passenger.pay(second.body["holdId"], "tok_decline_insufficient_funds")

    async def told() -> bool:
        return len((await passenger.get("/notifications")).body["data"]) == 2

    await world.until(told)
    inbox = (await passenger.ask("GET", "/notifications?limit=1", Accept_Language="en")).body
    refused = inbox["data"][0]
    assert (inbox["unreadCount"], inbox["pagination"]["limit"]) == (2, 1)
    assert (refused["type"], refused["payload"]["amount"], refused["payload"]["currency"]) == ("PAYMENT_REFUSED", 11.0, "EGP")
    page = await passenger.ask("GET", f"/notifications?limit=1&cursor={inbox['pagination']['nextCursor']}", Accept_Language="ar")
    confirmed = page.body["data"][0]
    assert (confirmed["type"], confirmed["title"]) == ("BOOKING_CONFIRMED", "تم تأكيد حجزك")
    assert confirmed["body"].startswith("حجزت مقعدين على خط")
    assert confirmed["payload"] == {"bookingId": held.body["bookingId"], "sessionId": session_id, "quantity": 2}
    assert page.body["pagination"]["nextCursor"] is None

    path = f"/notifications/{confirmed['id']}/read"
    read = await passenger.post(path)
    assert (read.status, read.body["isRead"]) == (200, True)
    assert (await passenger.post(path)).body["isRead"] is True
    assert (await stranger.post(path)).status == 404
    assert (await passenger.post("/notifications/ntf_nonsense/read")).status == 422
    assert [row["type"] for row in (await passenger.get("/notifications?unread=true")).body["data"]] == ["PAYMENT_REFUSED"]
    every = await passenger.post("/notifications/read-all")
    assert (every.status, every.body) == (200, {"markedRead": 1})
    assert (await passenger.get("/notifications")).body["unreadCount"] == 0
    assert (await stranger.get("/notifications")).body["data"] == []
    assert (await passenger.get("/notifications?unread=perhaps")).status == 422
    assert (await world.ask("GET", "/notifications")).status == 401
