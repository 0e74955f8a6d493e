"""Every error is a problem, and says what to do next."""

import json
from datetime import UTC, datetime, timedelta, timezone

import httpx
import pytest
from structlog.testing import capture_logs
from tests.app.edge.conftest import open_client
from tests.app.edge.town import ShopId, Town

from holdfast.app.edge.answers import ENCODER
from holdfast.app.edge.problems import problem, shown, title_of
from holdfast.common.actor import Role, UserId
from holdfast.common.errors import Refusal
from holdfast.common.language import Language
from holdfast.common.money import Amount, egp

SHOP = str(ShopId(int=2))
PASSENGER = {"Authorization": "Bearer passenger"}
ADMIN = {"Authorization": "Bearer admin"}
ORDER = {"shopId": SHOP, "lines": [{"itemName": "tea", "quantity": 8}]}


def check_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, object] = answer.json()
    assert found["type"] == f"urn:holdfast:problem:{code}"
    assert found["code"] == code
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["requestId"] == answer.headers["x-request-id"]
    return found


async def test_a_refusal_shows_its_facts(client: httpx.AsyncClient) -> None:
    answer = await client.post("/orders", json={**ORDER, "lines": ORDER["lines"] * 3}, headers={**PASSENGER, "Idempotency-Key": "1"})  # type: ignore[operator]
    found = check_problem(answer, 409, "sold_out")
    assert found["detail"] == "There are 20 left at 75.00 EGP, until 12:30 UTC."
    assert b'"price":75.00,' in answer.content
    assert found["currency"] == "EGP"
    assert found["until"] == "2026-05-01T12:30:00Z"
    assert found["shopId"] == SHOP
    assert found["available"] == 20


async def test_a_refusal_is_told_in_arabic(client: httpx.AsyncClient) -> None:
    answer = await client.get("/shops/nonsense", headers={"Accept-Language": "ar-EG,en;q=0.5"})
    found = check_problem(answer, 422, "invalid")
    assert found["title"] == "بيانات غير صالحة"
    assert found["errors"] == [{"path": "shopId", "message": "أرسل معرّفًا مثل shp_01h455vb4pex5vsknk084sn02q."}]
    assert answer.headers["content-language"] == "ar"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "path_unknown"),
        ("GET", "/shops/shp_7zzzzzzzzzzzzzzzzzzzzzzzzz", 404, "not_found"),
        ("GET", "/shops/usr_00000000000000000000000002", 404, "not_found"),
        ("GET", "/shops/a%00b", 404, "path_unknown"),
        ("GET", "/shops/%ff", 404, "path_unknown"),
        ("DELETE", "/shops", 405, "method_not_allowed"),
        ("TRACE", "/shops", 405, "method_not_allowed"),
        ("FETCH", "/shops", 405, "method_not_allowed"),
        ("POST", "/orders", 401, "not_signed_in"),
        ("GET", "/manners/fail/lock", 503, "overloaded"),
        ("GET", "/manners/fail/cancelled", 503, "overloaded"),
        ("GET", "/manners/fail/lost", 503, "overloaded"),
        ("GET", "/manners/fail/gone", 503, "overloaded"),
        ("GET", "/manners/fail/overloaded", 503, "overloaded"),
        ("GET", "/manners/fail/internal", 500, "internal"),
        ("GET", "/manners/fail/unheard-of", 500, "internal"),
    ],
)
async def test_every_error_is_a_problem(client: httpx.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    answer = await client.request(method, path)
    check_problem(answer, status, code)
    assert (answer.headers.get("retry-after") == "1") == (status == 503)


async def test_the_root_says_where_to_look(client: httpx.AsyncClient) -> None:
    answer = await client.get("http://town/")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/api/v1/docs"
    check_problem(await client.get("http://town/elsewhere"), 404, "path_unknown")


async def test_allow_names_the_methods(client: httpx.AsyncClient) -> None:
    for path in ("/shops", "/shops/", "/shops//"):
        assert set((await client.put(path)).headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


async def test_what_nobody_foresaw_is_logged_and_not_shown(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        answer = await client.get("/manners/fail/internal")
    found = check_problem(answer, 500, "internal")
    assert "secret" not in json.dumps(found)
    [entry] = [entry for entry in logs if entry["log_level"] == "error"]
    assert "the secret is 42" in repr(entry["exc_info"])


@pytest.mark.parametrize(
    ("authorization", "says_invalid"),
    [
        (None, False),
        ("Bearer nobody", True),
        ("Bearer", True),
        ("Basic cGFzc2VuZ2Vy", True),
        ("Bearer a b", True),
        ("Bearer " + "a" * 5000, True),
    ],
)
async def test_who_is_not_signed_in_is_told_how(client: httpx.AsyncClient, authorization: str | None, says_invalid: bool) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = await client.post("/orders", json=ORDER, headers={**headers, "Idempotency-Key": "1"})
    check_problem(answer, 401, "not_signed_in")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert ("invalid_token" in answer.headers["www-authenticate"]) == says_invalid


async def test_signing_in_comes_before_everything_else(client: httpx.AsyncClient) -> None:
    check_problem(await client.post("/orders?x=%ff", content=b"{"), 401, "not_signed_in")


async def test_a_role_is_needed(client: httpx.AsyncClient) -> None:
    check_problem(await client.delete(f"/shops/{SHOP}", headers=PASSENGER), 403, "not_allowed")
    assert (await client.delete(f"/shops/{SHOP}", headers=ADMIN)).status_code == 204


async def test_a_bad_token_is_refused_where_signing_in_is_optional(client: httpx.AsyncClient) -> None:
    assert (await client.get("/manners/me")).json()[0] is None
    assert (await client.get("/manners/me", headers=PASSENGER)).json()[0] == str(UserId(int=7))
    check_problem(await client.get("/manners/me", headers={"Authorization": "Bearer old"}), 401, "not_signed_in")


async def test_a_token_is_verified_once(town: Town) -> None:
    async with open_client(town) as client:
        await client.post("/orders", json=ORDER, headers={**PASSENGER, "Idempotency-Key": "1"})
        assert town.verified == 1
        await client.get("/manners/me", headers={"Authorization": "Bearer old"})
        assert town.verified == 2


class Late(Refusal):
    """Too late: it ended on {ended_at:date} at {ended_at:time} ({ended_at}); {missing} is missing."""

    code = "too_late"
    status = 409


def test_facts_are_written_for_people_and_for_programs() -> None:
    cairo = timezone(timedelta(hours=3))
    late = Late.__new__(Late)
    late.facts = {"ended_at": datetime(2026, 5, 2, 1, 30, tzinfo=cairo), "kuwaiti": Amount("KWD", 1500)}
    found = problem(late, Language.EN, "r")
    assert found["detail"] == "Too late: it ended on 2026-05-01 at 22:30 UTC (2026-05-01 22:30 UTC); ? is missing."
    assert found["endedAt"] == datetime(2026, 5, 1, 22, 30, tzinfo=UTC)
    assert found["currency"] == "KWD"


def test_facts_of_every_sort() -> None:
    assert shown({"shop_id": ShopId(int=2), "roles": (Role.ADMIN,)}) == {"shopId": SHOP, "roles": ["ADMIN"]}
    assert ENCODER.encode(shown(egp(3))) == b"3.00"
    assert title_of("sold_out") == "Sold out"
