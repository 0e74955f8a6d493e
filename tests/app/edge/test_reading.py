"""Bad input of every sort gets its clear answer and changes nothing."""

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.app.edge.conftest import open_client
from tests.app.edge.test_problems import check_problem
from tests.app.edge.town import ShopId, Town

from holdfast.app.edge.bodies import FAULTS_MAX

SHOP = str(ShopId(int=2))
HEADERS = {"Authorization": "Bearer passenger", "Idempotency-Key": "1", "Content-Type": "application/json"}
GOOD: dict[str, Any] = {"shopId": SHOP, "lines": [{"itemName": "tea", "quantity": 2}]}


async def order(client: httpx.AsyncClient, body: bytes | object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.post(
        "/orders", content=content, headers={**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


def faults(found: dict[str, Any]) -> dict[str, str]:
    return {fault["path"]: fault["message"] for fault in found["errors"]}


async def test_all_faults_are_told_at_once(client: httpx.AsyncClient, town: Town) -> None:
    body = {
        "shopId": "shp_short",
        "lines": [{"itemName": "", "quantity": "2"}, {"itemName": "tea", "quantty": 9}, {"itemName": "x" * 41, "quantity": 9}, 5],
        "colour": "GREEN",
        "wantedOn": "tomorrow",
        "at": "2026-01-01T00:00:00",
        "tip": [],
        "note": "a\u0000b",
        "sugar": 2,
    }
    found = check_problem(await order(client, body), 422, "invalid")
    assert faults(found) == {
        "sugar": "There is nothing of this name here.",
        "shopId": "Send an id such as shp_01h455vb4pex5vsknk084sn02q.",
        "lines[0].itemName": "Do not leave this empty.",
        "lines[0].quantity": "Send a whole number.",
        "lines[1].quantty": "There is nothing of this name here. Did you mean quantity?",
        "lines[1].quantity": "This is needed.",
        "lines[2].itemName": "Send at most 40 characters.",
        "lines[2].quantity": "Send 8 or less.",
        "lines[3]": "Send an object.",
        "colour": "Send one of: RED, BLUE.",
        "wantedOn": "Send a date such as 2026-01-31.",
        "at": "Say the time zone too, such as in 2026-01-31T18:30:00Z.",
        "tip": "Send a number.",
        "note": "Send text without control characters.",
    }
    assert town.shops.orders == 0


@pytest.mark.parametrize(
    "body",
    [
        {f"x{number:04}": 0 for number in range(5_000)},
        {"x" * 60_000: 0},
        {**GOOD, "lines": [0] * 20_000},
        {**GOOD, "note": "\u0001", **{f"x{number:04}\u0001": "\u0001" for number in range(1_500)}},
        {**GOOD, "tip": [10**20] * 2_500},
    ],
    ids=["many fields", "a long field", "a long list", "many bad texts", "many large numbers"],
)
async def test_many_faults_do_not_make_much_work(client: httpx.AsyncClient, body: object) -> None:
    started = time.process_time()
    answer = await order(client, body)
    assert time.process_time() - started < 1.0
    check_problem(answer, 422, "invalid")
    assert len(answer.json()["errors"]) <= 2 * FAULTS_MAX
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"shopId": None}, "shopId"),
        ({"shopId": 5}, "shopId"),
        ({"shopId": ""}, "shopId"),
        ({"shopId": SHOP.upper()}, "shopId"),
        ({"shopId": "shp_8zzzzzzzzzzzzzzzzzzzzzzzzz"}, "shopId"),
        ({"shopId": "shp_0000000000000000000000000٢"}, "shopId"),
        ({"lines": []}, "lines"),
        ({"lines": [GOOD["lines"][0]] * 11}, "lines"),
        ({"lines": None}, "lines"),
        ({"lines": {}}, "lines"),
        ({"lines": [{"itemName": "tea", "quantity": 0}]}, "lines[0].quantity"),
        ({"lines": [{"itemName": "tea", "quantity": -1}]}, "lines[0].quantity"),
        ({"lines": [{"itemName": "tea", "quantity": 1.5}]}, "lines[0].quantity"),
        ({"lines": [{"itemName": "tea", "quantity": True}]}, "lines[0].quantity"),
        ({"lines": [{"itemName": "tea", "quantity": 10**30}]}, "lines[0].quantity"),
        ({"lines": [{"itemName": "t\u0007ea", "quantity": 1}]}, "lines[0].itemName"),
        ({"lines": [{"itemName": "t\u007fea", "quantity": 1}]}, "lines[0].itemName"),
        ({"lines": [{"itemName": "t\ufffeea", "quantity": 1}]}, "lines[0].itemName"),
        ({"note": 5}, "note"),
        ({"note": "\b"}, "note"),
        ({"tip": 10**16}, ""),
        ({"at": "2026-02-30T00:00:00Z"}, "at"),
        ({"at": 1767225600}, "at"),
        ({"wantedOn": "0000-00-00"}, "wantedOn"),
        ({"colour": "red"}, "colour"),
        ({"\u0000": 1}, "\N{REPLACEMENT CHARACTER}"),
    ],
    ids=str,
)
async def test_one_fault_names_its_place(client: httpx.AsyncClient, town: Town, change: dict[str, object], path: str) -> None:
    answer = await order(client, {**GOOD, **change})
    if path:
        assert path in faults(check_problem(answer, 422, "invalid"))
        assert town.shops.orders == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "body_missing"),
        (b" ", 400, "malformed"),
        (b"{", 400, "malformed"),
        (b"{}}", 400, "malformed"),
        (b"\xef\xbb\xbf{}", 400, "malformed"),
        (json.dumps(GOOD).encode("utf-16"), 400, "malformed"),
        (b'{"shopId": "\xff"}', 400, "malformed"),
        (b'{"shopId": "\xed\xa0\x80"}', 400, "malformed"),
        (b'{"note": "\\ud800"}', 400, "malformed"),
        (b'{"note": "a\x00b"}', 400, "malformed"),
        (b'{"note": "a\nb"}', 400, "malformed"),
        (b'{"tip": NaN}', 400, "malformed"),
        (b'{"tip": Infinity}', 400, "malformed"),
        (b"{'note': 1}", 400, "malformed"),
        (b'{"tip": 01}', 400, "malformed"),
        (b'{"tip": 1e400}', 422, "invalid"),
        (b'{"tip": ' + b"9" * 5000 + b"}", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'"text"', 422, "invalid"),
        (b"true", 422, "invalid"),
        (b"[" * 30_000, 400, "too_deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "too_deep"),
        (b'{"note": ' + b"[" * 33 + b"]" * 33 + b"}", 400, "too_deep"),
        # Unfinished strings full of escaped quotes: each must be read once, not once for every quote.
        (b'{"note": ' + b"[" * 40 + b'"' + b'\\"' * 31_000, 400, "too_deep"),
        (b'{"note": ' + b"[" * 40 + b'"' + b'\\"' * 31_000 + b"\\", 400, "too_deep"),
        (b'{"note": "' + b"[" * 400 + b'"}', 422, "invalid"),
        (b'{"note": "' + b"a" * 65_536 + b'"}', 413, "too_large"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_no_order(client: httpx.AsyncClient, town: Town, body: bytes, status: int, code: str) -> None:
    check_problem(await order(client, body), status, code)
    assert town.shops.orders == 0


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
    ],
)
async def test_only_json_is_read(client: httpx.AsyncClient, kind: str) -> None:
    check_problem(await order(client, GOOD, Content_Type=kind), 415, "unsupported_media_type")


async def test_a_compressed_body_is_not_read(client: httpx.AsyncClient) -> None:
    check_problem(await order(client, GOOD, Content_Encoding="gzip"), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])
async def test_json_by_all_its_names(client: httpx.AsyncClient, kind: str) -> None:
    assert (await order(client, GOOD, Content_Type=kind)).status_code == 201


async def test_texts_that_only_look_dangerous_are_taken(client: httpx.AsyncClient) -> None:
    for note in ("\\u0000", "line\nline\ttab\r", "[[[[[" * 30, "\N{OK HAND SIGN}", "عربي", "'; DROP TABLE orders; --"):
        answer = await order(client, {**GOOD, "note": note})
        assert answer.status_code == 201, note


async def test_an_id_of_another_kind_is_not_found(client: httpx.AsyncClient) -> None:
    check_problem(await order(client, {**GOOD, "shopId": "usr_01h455vb4pex5vsknk084sn02q"}), 404, "not_found")


async def test_a_body_may_be_left_out_where_it_may(client: httpx.AsyncClient) -> None:
    assert (await client.post("/orders/optional")).json() == []
    assert (await client.post("/orders/optional", json=None, content=b"null", headers={"Content-Type": "application/json"})).json() == []
    assert (await client.post("/orders/optional", json={"itemName": "tea", "quantity": 1})).json() == ["tea"]
    check_problem(await client.post("/orders/optional", json={"itemName": "tea"}), 422, "invalid")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"text": "This is needed."}),
        ("seats=9&colour=x", {"text": "This is needed.", "seats": "Send 8 or less.", "colour": "Send one of: RED, BLUE."}),
        ("text=a", {"text": "Send at least 2 characters."}),
        ("text=" + "a" * 21, {"text": "Send at most 20 characters."}),
        ("text=abc&seats=1.5", {"seats": "Send a whole number."}),
        ("text=abc&seats=", {"seats": "Send a whole number."}),
        ("text=abc&seats=" + "9" * 5000, None),
        ("text=abc&seats=1&seats=2", {"seats": "Send this only once."}),
        (
            "text=abc&seats=null&colour=NULL&shop=null",
            dict.fromkeys(("seats", "colour", "shop"), "Leave this out instead of sending null."),
        ),
        (
            "text=abc&seat=1&x=2",
            {"seat": "There is nothing of this name here. Did you mean seats?", "x": "There is nothing of this name here."},
        ),
        ("text=a%00c", {"text": "Send text without control characters."}),
        ("text=a%ffc", {"query": "Send the query in UTF-8, percent-encoded."}),
        ("text=abc&shop=nonsense", {"shop": "Send an id such as shp_01h455vb4pex5vsknk084sn02q."}),
        ("&".join(["text=abc"] + ["tag=a"] * 60), {"query": "Send the query in UTF-8, percent-encoded."}),
    ],
)
async def test_all_faults_of_a_query(client: httpx.AsyncClient, query: str, expected: dict[str, str] | None) -> None:
    found = check_problem(await client.get(f"/shops/search?{query}"), 422, "invalid")
    assert expected is None or faults(found) == expected


async def test_null_is_a_text_where_texts_are_taken(client: httpx.AsyncClient) -> None:
    assert (await client.get("/shops/search?text=null&tag=null")).json() == ["null", "None", "None", "None", "null"]


async def test_a_good_query(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/shops/search?text=abc&colour=RED&seats=2&shop={SHOP}&tag=a&tag=b")
    assert answer.json() == ["abc", "RED", "2", SHOP, "a", "b"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=x", "cursor=" + "a" * 1001, "cursor=%00"])
async def test_pages_are_asked_for_properly(client: httpx.AsyncClient, query: str) -> None:
    found = check_problem(await client.get(f"/shops?{query}"), 422, "invalid")
    assert list(faults(found)) == [query.partition("=")[0]]


async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    seen: list[str] = []
    url = "/shops?limit=10"
    for expected in (10, 10, 5):
        answer = await client.get(url)
        page = answer.json()
        assert len(page["data"]) == expected
        seen += [shop["id"] for shop in page["data"]]
        url = answer.headers.get("link", "").removeprefix("<").partition(">")[0]
        assert bool(url) == (page["pagination"]["nextCursor"] is not None)
        url = f"http://town{url}"
    assert len(set(seen)) == 25


async def test_names_come_in_the_callers_language(client: httpx.AsyncClient) -> None:
    for header, name in (
        ("ar", "دكان"),
        ("en", "Shop"),
        ("fr, ar;q=0.5", "دكان"),
        ("ar;q=0.1,en", "Shop"),
        ("de", "Shop"),
        ("ar;q=x", "Shop"),
        ("*", "Shop"),
    ):
        answer = await client.get("/shops", headers={"Accept-Language": header})
        assert answer.json()["data"][0]["name"] == name, header


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["shopId", "lines", "itemName", "quantity", "note", "x"]) | st.text(max_size=3), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_breaks_the_edge(body: bytes) -> None:
    town = Town()
    async with open_client(town) as client:
        answer = await order(client, body)
    assert answer.status_code in (201, 400, 404, 413, 415, 422)
    assert (answer.status_code == 201) == (town.shops.orders == 1)
