"""Signing in, and what one sees of oneself and others, over HTTP."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.auth.front_door import PHONE, TEST_PHONE, FrontDoor


async def _signed_in(client: httpx.AsyncClient, phone: str = TEST_PHONE) -> dict[str, Any]:
    asked = await client.post("/auth/request-otp", json={"phone": phone})
    assert asked.status_code == 202, asked.text
    answer = await client.post("/auth/verify-otp", json={"challengeId": asked.json()["challengeId"], "code": "000000"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _bearer(credentials: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {credentials['accessToken']}"}


async def _admin(door: FrontDoor, client: httpx.AsyncClient) -> dict[str, str]:
    challenge, code = await door.invitations.invite_admin("+201099999999")
    return _bearer((await client.post("/auth/verify-otp", json={"challengeId": str(challenge.id), "code": code})).json())


async def test_from_a_phone_to_a_profile(door: FrontDoor) -> None:
    async with door.http() as client:
        asked = await client.post("/auth/request-otp", json={"phone": "0100 001 2345"})
        assert (asked.status_code, set(asked.json())) == (202, {"challengeId", "expiresAt"})
        assert asked.json()["challengeId"].startswith("chl_")
        assert asked.json()["expiresAt"].endswith("Z")
        answer = await client.post(
            "/auth/verify-otp",
            json={"challengeId": asked.json()["challengeId"], "code": "000000", "phone": TEST_PHONE},
            headers={"Accept-Language": "ar-EG"},
        )
        assert answer.status_code == 200
        credentials = answer.json()
        assert set(credentials) == {"accessToken", "refreshToken", "tokenType", "expiresIn", "user"}
        assert (credentials["tokenType"], credentials["expiresIn"]) == ("Bearer", 600)
        assert answer.headers["cache-control"] == "no-store"
        user = credentials["user"]
        assert (user["phone"], user["role"], user["isVerified"], user["language"]) == (TEST_PHONE, "PASSENGER", True, "ar")

        me = await client.get("/users/me", headers=_bearer(credentials))
        assert (me.status_code, me.json(), me.headers["etag"]) == (200, user, '"1"')
        changed = await client.patch("/users/me", json={"name": "منى"}, headers=_bearer(credentials) | {"If-Match": '"1"'})
        assert (changed.status_code, changed.json()["name"], changed.headers["etag"]) == (200, "منى", '"2"')
        late = await client.patch("/users/me", json={"name": "Mona"}, headers=_bearer(credentials) | {"If-Match": '"1"'})
        assert (late.status_code, late.json()["code"]) == (412, "outdated")
        blind = await client.patch("/users/me", json={"name": "Mona"}, headers=_bearer(credentials))
        assert (blind.status_code, blind.json()["code"]) == (428, "precondition_required")


async def test_staying_and_leaving(door: FrontDoor) -> None:
    async with door.http() as client:
        first = await _signed_in(client)
        second = (await client.post("/auth/refresh-token", json={"refreshToken": first["refreshToken"]})).json()
        assert second["user"] == first["user"]
        assert (await client.get("/users/me", headers=_bearer(second))).status_code == 200

        gone = await client.post("/auth/logout", headers=_bearer(second))
        assert (gone.status_code, gone.content) == (204, b"")
        for credentials in (first, second):
            refused = await client.get("/users/me", headers=_bearer(credentials))
            assert (refused.status_code, refused.json()["code"]) == (401, "not_signed_in")
            assert refused.headers["www-authenticate"].startswith("Bearer")
        refused = await client.post("/auth/refresh-token", json={"refreshToken": second["refreshToken"]})
        assert (refused.status_code, refused.json()["code"]) == (401, "refresh_refused")

        third = await _signed_in(client)
        assert (await client.post("/auth/logout", json={"refreshToken": third["refreshToken"]})).status_code == 204
        assert (await client.get("/users/me", headers=_bearer(third))).status_code == 401
        assert (await client.post("/auth/logout")).status_code == 401
        assert (await client.post("/auth/logout", json={})).status_code == 401


async def test_refusals_say_what_to_do(door: FrontDoor) -> None:
    async with door.http() as client:
        for _ in range(5):
            asked = await client.post("/auth/request-otp", json={"phone": PHONE})
            assert asked.status_code == 202
        limited = await client.post("/auth/request-otp", json={"phone": PHONE})
        assert (limited.status_code, limited.json()["code"]) == (429, "limit_reached")
        assert 0 < int(limited.headers["retry-after"]) <= 600
        assert limited.json()["retryAfter"] == int(limited.headers["retry-after"])

        code = door.inbox.codes[-1].digits
        wrong = "111111" if code != "111111" else "222222"
        challenge = asked.json()["challengeId"]
        refused = await client.post("/auth/verify-otp", json={"challengeId": challenge, "code": wrong})
        assert (refused.status_code, refused.json()["code"], refused.json()["triesLeft"]) == (401, "code_wrong", 4)
        assert code not in refused.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/request-otp", {}),
        ("/auth/request-otp", {"phone": None}),
        ("/auth/request-otp", {"phone": 201001234567}),
        ("/auth/request-otp", {"phone": "1"}),
        ("/auth/request-otp", {"phone": "not a phone"}),
        ("/auth/request-otp", {"phone": "+2010\x0001234567"}),
        ("/auth/request-otp", {"phone": PHONE, "role": "ADMIN"}),
        ("/auth/verify-otp", {"challengeId": "x", "code": "000000"}),
        ("/auth/verify-otp", {"challengeId": "chl_01h455vb4pex5vsknk084sn02q", "code": 0}),
        ("/auth/verify-otp", {"challengeId": "chl_01h455vb4pex5vsknk084sn02q", "code": "00000"}),
        ("/auth/verify-otp", {"challengeId": "chl_01h455vb4pex5vsknk084sn02q", "code": "00000x"}),
        ("/auth/verify-otp", {"challengeId": "chl_01h455vb4pex5vsknk084sn02q", "code": "\x00\x00\x00\x00\x00\x00"}),
        ("/auth/verify-otp", {"challengeId": "chl_01h455vb4pex5vsknk084sn02q", "code": "000000", "isAdmin": True}),
        ("/auth/refresh-token", {}),
        ("/auth/refresh-token", {"refreshToken": ""}),
        ("/auth/refresh-token", {"refreshToken": "x" * 201}),
        ("/auth/logout", {"refreshToken": 1}),
    ],
)
async def test_faulty_bodies_are_named_and_change_nothing(door: FrontDoor, path: str, body: dict[str, Any]) -> None:
    async with door.http() as client:
        refused = await client.post(path, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), refused.text
    assert refused.json()["errors"]
    async with door.database.reading() as tx:
        for table in ("users", "otp_challenges", "limit_counters"):
            assert await tx.value(text(f"SELECT count(*) FROM {table}")) == 0


@pytest.mark.parametrize("token", ["usr_01h455vb4pex5vsknk084sn02q", "bkg_01h455vb4pex5vsknk084sn02q"])
async def test_the_id_of_another_kind_of_thing_is_no_challenge(door: FrontDoor, token: str) -> None:
    async with door.http() as client:
        refused = await client.post("/auth/verify-otp", json={"challengeId": token, "code": "000000"})
    assert refused.status_code == 404


async def test_admins_see_and_change_people_and_others_do_not(door: FrontDoor) -> None:
    async with door.http() as client:
        person, admin = await _signed_in(client), await _admin(door, client)
        path = f"/users/{person['user']['id']}"
        for method, where in (("GET", "/users"), ("GET", path), ("PATCH", path)):
            refused = await client.request(method, where, headers=_bearer(person) | {"If-Match": '"1"'})
            assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
            assert (await client.request(method, where)).status_code == 401

        shown = await client.get(path, headers=admin)
        assert (shown.status_code, shown.json()["phone"], shown.headers["etag"]) == (200, TEST_PHONE, '"1"')
        changed = await client.patch(path, json={"role": "DRIVER"}, headers=admin | {"If-Match": shown.headers["etag"]})
        assert (changed.status_code, changed.json()["role"]) == (200, "DRIVER")
        for role in ("SYSTEM", "EMPEROR", None, 1):
            refused = await client.patch(path, json={"role": role}, headers=admin | {"If-Match": '"2"'})
            assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "role")

        page = await client.get("/users", params={"isActive": "true", "limit": "1", "role": "DRIVER"}, headers=admin)
        assert page.status_code == 200, page.text
        assert [user["id"] for user in page.json()["data"]] == [person["user"]["id"]]
        assert page.json()["pagination"] == {"limit": 1, "nextCursor": None}
        assert (await client.get("/users", params={"phone": "01000012345"}, headers=admin)).json()["data"][0]["id"] == person["user"]["id"]

        closed = await client.patch(path, json={"isActive": False}, headers=admin | {"If-Match": '"2"'})
        assert closed.json()["isActive"] is False
        await door.service._revocations.catch_up()
        assert (await client.get("/users/me", headers=_bearer(person))).status_code == 401
        me = (await client.get("/users/me", headers=admin)).json()
        own = await client.patch(f"/users/{me['id']}", json={"isActive": False}, headers=admin | {"If-Match": '"3"'})
        assert (own.status_code, own.json()["code"]) == (409, "own_access"), own.text


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "a\u202eb", "x" * 101, 5, ["Mona"]])
async def test_names_that_would_confuse_are_refused(door: FrontDoor, name: object) -> None:
    async with door.http() as client:
        person = await _signed_in(client)
        refused = await client.patch("/users/me", json={"name": name}, headers=_bearer(person) | {"If-Match": '"1"'})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "name"), refused.text
