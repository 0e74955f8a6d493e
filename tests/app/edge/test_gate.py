"""What every answer carries, and what stops a request before it reaches a route."""

import httpx
import pytest
from litestar import Router, get, post
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, generate_latest
from tests.app.edge.conftest import open_client
from tests.app.edge.test_problems import check_problem
from tests.app.edge.town import ShopController, ShopId, Shops, Town

from holdfast.app.edge.limiting import Tally
from holdfast.app.edge.plans import TwoPaths
from holdfast.app.http import Unguarded, create_app
from holdfast.app.logs import _add_request
from holdfast.common.actor import Role
from holdfast.common.guards import PUBLIC, provided, requires
from holdfast.config import Settings
from holdfast.idempotency import IdempotencyKey

SHOP = str(ShopId(int=2))
ORDER = {"shopId": SHOP, "lines": [{"itemName": "tea", "quantity": 2}]}
PASSENGER = {"Authorization": "Bearer passenger"}
ADMIN = {"Authorization": "Bearer admin"}


@pytest.mark.parametrize("path", ["/shops", "/nowhere", "/manners/fail/internal", f"/shops/{SHOP}", "/openapi.json"])
async def test_every_answer_carries_the_same_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-request-id"].startswith("req_")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] in ("no-store", "no-cache")
    assert "strict-transport-security" not in headers


async def test_https_is_remembered(town: Town) -> None:
    town.settings = Settings(_env_file=None, public_url="https://holdfast.example")  # type: ignore[call-arg]
    async with open_client(town) as client:
        assert "strict-transport-security" in (await client.get("/shops")).headers


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abc-123", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ('"><script>', False), ("", False)]
)
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, given: str, is_kept: bool) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) == is_kept
    assert answer.json()["requestId"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("given", "trace_id"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None),
        ("nonsense", None),
    ],
)
async def test_the_log_knows_the_trace(given: str, trace_id: str | None) -> None:
    seen: dict[str, object] = {}

    @get("/seen", opt=PUBLIC)
    async def look() -> None:
        seen.update(_add_request(None, "", {}))

    async with open_client(Town(routers=[Router("/", route_handlers=[look])])) as client:
        answer = await client.get("/seen", headers={"traceparent": given})
    assert seen["trace_id"] == trace_id
    assert seen["request_id"] == answer.headers["x-request-id"]


async def test_head_is_get_without_a_body(client: httpx.AsyncClient) -> None:
    got, head = await client.get("/shops"), await client.head("/shops")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_options_names_the_methods(client: httpx.AsyncClient) -> None:
    answer = await client.options(f"/shops/{SHOP}")
    assert answer.status_code == 204
    assert set(answer.headers["allow"].split(", ")) == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH"}


async def test_a_change_names_the_version_it_changes(client: httpx.AsyncClient) -> None:
    url = f"/shops/{SHOP}"
    tag = (await client.get(url)).headers["etag"]
    assert tag == '"3"'
    check_problem(await client.patch(url, json={"name": "a"}, headers=ADMIN), 428, "precondition_required")
    for wrong in ('"2"', 'W/"3"', "*", '"3", "4"', '"' + "9" * 30 + '"', '"three"'):
        check_problem(await client.patch(url, json={"name": "a"}, headers={**ADMIN, "If-Match": wrong}), 412, "outdated")
    for wrong in ("3", "'3'", '"3'):
        check_problem(await client.patch(url, json={"name": "a"}, headers={**ADMIN, "If-Match": wrong}), 400, "if_match_malformed")
    check_problem(await client.patch(url, json={"name": "a"}, headers={**ADMIN, "If-Match": ""}), 428, "precondition_required")
    changed = await client.patch(url, json={"name": "a"}, headers={**ADMIN, "If-Match": tag})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"4"')


async def test_a_repeated_request_says_so(client: httpx.AsyncClient, town: Town) -> None:
    answers = [await client.post("/orders", json=ORDER, headers={**PASSENGER, "Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true"]
    assert answers[0].content == answers[1].content
    assert b'"total":150.00' in answers[0].content
    assert town.shops.orders == 1


async def test_a_key_is_asked_for(client: httpx.AsyncClient) -> None:
    check_problem(await client.post("/orders", json=ORDER, headers=PASSENGER), 400, "idempotency_key_missing")
    for key in ("a b", "a" * 256, "\t", ""):
        answer = await client.post("/orders", json=ORDER, headers={**PASSENGER, "Idempotency-Key": key})
        check_problem(answer, 400, "idempotency_key_malformed")


async def test_a_fingerprint_is_of_method_path_and_body() -> None:
    seen: list[IdempotencyKey] = []

    @post("/{name:str}", guards=[requires()])
    async def keep(key: NamedDependency[IdempotencyKey]) -> None:
        seen.append(key)

    async with open_client(Town(routers=[Router("/", route_handlers=[keep])])) as client:
        for path, body in (("/a", b"1"), ("/a", b"1"), ("/a", b"2"), ("/b", b"1")):
            await client.post(path, content=body, headers={**PASSENGER, "Idempotency-Key": "k"})
    first, again, other_body, other_path = (key.fingerprint for key in seen)
    assert first == again
    assert len({first, other_body, other_path}) == 3


def limited(quota: int, **named: object) -> Town:
    return Town(Settings(_env_file=None, requests_per_minute=quota, **named))  # type: ignore[call-arg, arg-type]


async def test_a_person_has_a_limit() -> None:
    async with open_client(limited(3)) as client:
        answers = [await client.get("/manners/me", headers=PASSENGER) for _ in range(4)]
        other = await client.get("/manners/me", headers=ADMIN)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [f'"default";r={left}' for left in (2, 1, 0, 0)]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=3;w=60'
    found = check_problem(answers[-1], 429, "limit_reached")
    assert answers[-1].headers["retry-after"] == str(found["retryAfter"])
    assert other.status_code == 200


async def test_people_of_this_machine_are_spared_in_development_only() -> None:
    async with open_client(limited(1)) as client:
        assert [(await client.get("/shops")).status_code for _ in range(3)] == [200, 200, 200]
    async with open_client(limited(1, test_phones=False)) as client:
        assert [(await client.get("/shops")).status_code for _ in range(3)] == [200, 429, 429]


async def test_guessing_tokens_counts_for_the_address() -> None:
    async with open_client(limited(2, test_phones=False)) as client:
        codes = [(await client.get("/manners/me", headers={"Authorization": f"Bearer guess{n}"})).status_code for n in range(4)]
    assert codes == [401, 401, 429, 429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("192.0.2.1", None, 0, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", 0, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", 1, "203.0.113.9"),
        ("192.0.2.1", "198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("192.0.2.1", "198.51.100.1, 203.0.113.9", 2, "198.51.100.1"),
        ("192.0.2.1", "203.0.113.9", 2, "192.0.2.1"),
        ("192.0.2.1", "nonsense", 1, "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9:4711", 1, "203.0.113.9"),
        ("192.0.2.1", "[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("::ffff:192.0.2.1", None, 0, "192.0.2.1"),
        ("fe80::1%eth0", None, 0, "fe80::1"),
    ],
)
async def test_the_address_of_a_client(peer: str, forwarded: str | None, proxies: int, address: str) -> None:
    town = Town(Settings(_env_file=None, trusted_proxies=proxies))  # type: ignore[call-arg]
    async with open_client(town, client=(peer, 4711)) as client:
        answer = await client.get("/manners/me", headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert answer.json() == [None, address]


async def test_neighbours_of_one_ipv6_network_share_a_limit() -> None:
    town = limited(1, test_phones=False, trusted_proxies=1)
    async with open_client(town) as client:
        addresses = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "192.0.2.1", "192.0.2.2")
        codes = [(await client.get("/shops", headers={"X-Forwarded-For": address})).status_code for address in addresses]
    assert codes == [200, 429, 200, 200, 200]


def test_a_window_ends() -> None:
    now = 0.0
    tally = Tally(2, clock=lambda: now)
    assert [tally.count("a").is_over for _ in range(3)] == [False, False, True]
    now = 59.5
    assert tally.count("a").resets_in_s == 1
    now = 60.0
    assert not tally.count("a").is_over


def test_a_route_says_who_may_call_it() -> None:
    @get("/open")
    async def forgotten() -> None: ...

    @get("/both", opt=PUBLIC, guards=[requires(Role.ADMIN)])
    async def contradiction() -> None: ...

    for handler in (forgotten, contradiction):
        with pytest.raises(Unguarded, match=r"/api/v1/(open|both) must say"):
            create_app(Town(routers=[Router("/", route_handlers=[handler])]))


def test_a_route_has_one_path() -> None:
    @get(["/one", "/two"], guards=[requires()])
    async def everywhere() -> None: ...

    with pytest.raises(TwoPaths):
        create_app(Town(routers=[Router("/", route_handlers=[everywhere])]))


def test_public_stays_as_it_is() -> None:
    create_app(Town())
    assert PUBLIC == {"public": True}


async def test_requests_are_measured_by_template(town: Town) -> None:
    registry = CollectorRegistry()
    transport = httpx.ASGITransport(app=create_app(town, registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://town/api/v1") as client:
        for path in (f"/shops/{SHOP}", f"/shops/{ShopId(int=3)}", "/made/up", "/also/made/up", "/shops/x"):
            await client.get(path)
    text = generate_latest(registry).decode()
    assert 'holdfast_http_request_seconds_count{method="GET",path="/api/v1/shops/{shop_id}",status="200"} 2.0' in text
    assert 'holdfast_http_request_seconds_count{method="GET",path="/api/v1/shops/{shop_id}",status="422"} 1.0' in text
    assert 'holdfast_http_request_seconds_count{method="unknown",path="unknown",status="404"} 2.0' in text


async def test_sockets_and_strangers(town: Town) -> None:
    reached: list[str] = []

    async def sockets(scope: object, receive: object, send: object) -> None:
        reached.append(scope["path"])  # type: ignore[index]

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    town.sockets = sockets
    gate = create_app(town)
    await gate({"type": "websocket", "path": "/socket.io/", "headers": []}, receive, send)  # type: ignore[arg-type]
    assert reached == ["/socket.io/"]
    await gate({"type": "websocket", "path": "/elsewhere", "headers": []}, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_shop_is_not_public_by_its_controller() -> None:
    """A guard of a router counts for the routes below it."""
    create_app(Town(routers=[Router("/", route_handlers=[ShopController, _inner()], dependencies={"service": provided(Shops())})]))


def _inner() -> Router:
    @get("/inside")
    async def inside() -> None: ...

    return Router("/inner", route_handlers=[inside], guards=[requires(Role.ADMIN)])
