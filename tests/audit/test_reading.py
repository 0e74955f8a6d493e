"""The audit log as admins read it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.auth.front_door import TEST_PHONE, FrontDoor

from holdfast import audit
from holdfast.audit import Deed, module
from holdfast.common.actor import SYSTEM, Actor, Role, UserId
from holdfast.common.ids import Id
from holdfast.common.language import Language
from holdfast.database import Database
from holdfast.vault import PersonalVault, Vault


class UmbrellaId(Id, prefix="umb"):
    __slots__ = ()


VAULT = PersonalVault(Vault("a secret"))
PERSON = Actor(UserId.new(), Role.PASSENGER)
MINE, YOURS = UmbrellaId.new(), UmbrellaId.new()


@pytest.fixture
def door(database: Database) -> FrontDoor:
    return FrontDoor(database)


async def _record(database: Database, *deeds: Deed) -> None:
    async with database.transaction() as tx:
        await audit.record(tx, deeds)


async def _look(door: FrontDoor, client: httpx.AsyncClient, token: str, **sought: str) -> list[dict[str, Any]]:
    answer = await client.get("/audit/logs", params=sought, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def _admin(door: FrontDoor) -> tuple[str, str]:
    challenge, code = await door.invitations.invite_admin("+201099999999")
    credentials = await door.service.verify_code(challenge.id, code, None, Language.EN)
    return credentials.access_token, str(credentials.user.id)


async def test_what_was_done_is_found_by_every_side_of_it(door: FrontDoor) -> None:
    await _record(
        door.database,
        Deed(PERSON, "umbrella.opened", MINE, before={"state": "SHUT"}, after={"state": "OPEN"}),
        Deed(SYSTEM, "umbrella.lost", MINE),
        Deed(PERSON, "umbrella.opened", YOURS),
    )
    token, admin = await _admin(door)
    async with door.http(module.build(door.database, VAULT).router) as client:
        everything = await _look(door, client, token)
        assert sorted(entry["action"] for entry in everything) == [
            "umbrella.lost",
            "umbrella.opened",
            "umbrella.opened",
            "user.access_changed",
        ]
        assert everything == sorted(everything, key=lambda entry: str(entry["id"]), reverse=True)
        (first,) = await _look(door, client, token, entityId=str(MINE), action="umbrella.opened")
        assert first | {"id": "", "createdAt": ""} == {
            "id": "",
            "actorId": str(PERSON.id),
            "actorRole": "PASSENGER",
            "action": "umbrella.opened",
            "entity": "umbrella",
            "entityId": str(MINE),
            "before": {"state": "SHUT"},
            "after": {"state": "OPEN"},
            "createdAt": "",
        }
        for sought, count in (
            ({"entity": "umbrella"}, 3),
            ({"entityId": str(MINE)}, 2),
            ({"actorId": str(PERSON.id)}, 2),
            ({"action": "umbrella.lost"}, 1),
            ({"actorId": str(SYSTEM.id), "entity": "umbrella"}, 1),
            ({"entityId": str(MINE), "actorId": str(PERSON.id), "action": "umbrella.opened"}, 1),
            ({"entityId": str(UmbrellaId.new())}, 0),
            ({"entityId": "xyz_01h455vb4pex5vsknk084sn02q"}, 0),
        ):
            assert len(await _look(door, client, token, **sought)) == count, sought
        # Looking is written down, with what was seen.
        looked = await _look(door, client, token, action="audit.viewed", actorId=admin)
        assert looked[-1]["entityId"] == everything[0]["id"]
        assert looked[-1]["after"] == {"entries": 4, "oldest": everything[-1]["id"]}


async def test_it_is_found_by_time(door: FrontDoor) -> None:
    await _record(door.database, Deed(PERSON, "umbrella.opened", MINE))
    token, _ = await _admin(door)
    now = datetime.now(UTC)
    before, after = (now - timedelta(minutes=1)).isoformat(), (now + timedelta(minutes=1)).isoformat()
    async with door.http(module.build(door.database, VAULT).router) as client:
        for sought, count in (
            ({"since": before}, 1),
            ({"since": after}, 0),
            ({"until": before}, 0),
            ({"until": after}, 1),
            ({"since": before, "until": after}, 1),
            ({"since": "1970-01-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"}, 1),
            ({"since": "0001-01-01T00:00:00Z"}, 1),
        ):
            assert len(await _look(door, client, token, entity="umbrella", **sought)) == count, sought


async def test_pages_follow_each_other_without_gaps_or_repeats(door: FrontDoor) -> None:
    for _ in range(7):
        await _record(door.database, Deed(PERSON, "umbrella.opened", UmbrellaId.new()))
    token, _ = await _admin(door)
    seen: list[str] = []
    async with door.http(module.build(door.database, VAULT).router) as client:
        cursor: dict[str, str] = {}
        while True:
            answer = await client.get(
                "/audit/logs", params={"entity": "umbrella", "limit": "3", **cursor}, headers={"Authorization": f"Bearer {token}"}
            )
            page = answer.json()
            seen += [entry["entityId"] for entry in page["data"]]
            if page["pagination"]["nextCursor"] is None:
                break
            cursor = {"cursor": page["pagination"]["nextCursor"]}
    async with door.database.reading() as tx:
        rows = await tx.rows(text("SELECT entity_id FROM audit_logs WHERE entity = 'umbrella' ORDER BY id DESC"))
    assert seen == [str(UmbrellaId.of(row["entity_id"])) for row in rows]
    assert len(seen) == 7


async def test_only_admins_look(door: FrontDoor) -> None:
    token = (await door.sign_in(TEST_PHONE)).access_token
    async with door.http(module.build(door.database, VAULT).router) as client:
        assert (await client.get("/audit/logs", headers={"Authorization": f"Bearer {token}"})).status_code == 403
        assert (await client.get("/audit/logs")).status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entityId", "x"),
        ("entityId", "umb_x"),
        ("entityId", "umb_81h455vb4pex5vsknk084sn02q"),
        ("entityId", "01h455vb4pex5vsknk084sn02q"),
        ("actorId", "x"),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
        ("until", "2026-11-21T12:00:00"),
        ("limit", "0"),
        ("cursor", "x"),
        ("action", "x" * 101),
    ],
)
async def test_faulty_questions_are_named(door: FrontDoor, name: str, value: str) -> None:
    token, _ = await _admin(door)
    async with door.http(module.build(door.database, VAULT).router) as client:
        refused = await client.get("/audit/logs", params={name: value}, headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["path"] == name
