"""What only a socket can say: broken HTTP, slow bodies, lengths that lie."""

import asyncio
import json

import pytest
from tests.app.edge.town import ShopId

BODY = json.dumps({"itemName": "tea", "quantity": 2}).encode()
SIGNED_IN = b"Authorization: Bearer passenger\r\nContent-Type: application/json\r\n"
SHOP = str(ShopId(int=2))


async def say(port: int, *pieces: bytes, wait_s: float = 5.0) -> bytes:
    """Everything the server answers to pieces sent one after another."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(wait_s):
            return await reader.read()
    finally:
        writer.close()


def post(body: bytes, *headers: bytes, path: bytes = b"/api/v1/orders/quick") -> bytes:
    given = b"".join(header + b"\r\n" for header in headers) or b"Content-Length: %d\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\nHost: town\r\nConnection: close\r\n" + SIGNED_IN + given + b"\r\n" + body


def problem(answer: bytes) -> dict[str, object]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower(), answer
    found: dict[str, object] = json.loads(body)
    return found


async def test_a_body_in_pieces(port: int) -> None:
    request = post(BODY)
    answer = await say(port, *(request[start : start + 7] for start in range(0, len(request), 7)))
    assert answer.startswith(b"HTTP/1.1 201 ")


async def test_a_chunked_body(port: int) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:9], BODY[9:])) + b"0\r\n\r\n"
    assert (await say(port, post(chunks, b"Transfer-Encoding: chunked"))).startswith(b"HTTP/1.1 201 ")


async def test_too_much_is_refused_before_it_is_sent(port: int) -> None:
    assert problem(await say(port, post(b"", b"Content-Length: 100000000")))["code"] == "too_large"


async def test_too_much_is_refused_when_nobody_said_how_much(port: int) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = await say(port, post(chunk * 3 + b"0\r\n\r\n", b"Transfer-Encoding: chunked"))
    assert problem(answer)["code"] == "too_large"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET /api/v1/shops HTTP/9.9\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /api/v1/shops HTTP/1.1\r\nHost: town\r\nbad header\r\n\r\n",
        b"GET /api/v1/shops HTTP/1.1\r\nHost: town\r\nX-A: a\x00b\r\n\r\n",
        b"GET /api/v1/\x00 HTTP/1.1\r\nHost: town\r\n\r\n",
        post(BODY, b"Content-Length: x"),
        post(BODY, b"Content-Length: -1"),
        post(BODY, b"Content-Length: 5", b"Content-Length: 6"),
    ],
    ids=lambda found: found[:60].decode("latin-1"),
)
async def test_what_is_no_http_is_refused(port: int, request_bytes: bytes) -> None:
    answer = await say(port, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert await alive(port)


@pytest.mark.parametrize(
    "target",
    [
        b"/api/v1/%",
        b"/api/v1/%zz",
        b"/api/v1/../../etc/passwd",
        b"/api/v1/shops/%2e%2e%2f",
        b"/api/v1/" + b"a" * 8000,
        b"/api/v1/shops/\xff\xfe",
        b"http://elsewhere/api/v1/nowhere",
    ],
)
async def test_odd_paths_lead_nowhere(port: int, target: bytes) -> None:
    answer = await say(port, b"GET " + target + b" HTTP/1.1\r\nHost: town\r\nConnection: close\r\n\r\n")
    assert int(answer[9:12]) in (400, 404, 422), answer
    assert await alive(port)


@pytest.mark.parametrize(
    "header",
    [
        b"Host: a b",
        b"Host: ",
        b"Host: " + b"a" * 500,
        b"Host: town:99999",
        b"X-Forwarded-For: \xff",
        b"Accept-Language: \xff;q=\xff",
        b"Idempotency-Key: \xff",
    ],
)
async def test_odd_headers_break_nothing(port: int, header: bytes) -> None:
    answer = await say(port, post(BODY, header, b"Content-Length: %d" % len(BODY)))
    assert int(answer[9:12]) in (201, 400), answer
    assert await alive(port)


async def test_a_client_that_goes_away_leaves_nothing_behind(port: int) -> None:
    for piece in (post(BODY)[:-5], post(b"", b"Content-Length: 50"), b"GET /api/v1/shops HTTP/1.1\r\nHo"):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(piece)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert await alive(port)


async def test_one_connection_carries_many_requests(port: int) -> None:
    one = post(BODY).replace(b"Connection: close\r\n", b"")
    answer = await say(port, one * 3 + post(BODY))
    assert answer.count(b"HTTP/1.1 201 ") == 4
    assert len({line for line in answer.split(b"\r\n") if line.startswith(b"x-request-id")}) == 4


async def test_head_has_the_headers_only(port: int) -> None:
    answer = await say(port, b"HEAD /api/v1/shops/%s HTTP/1.1\r\nHost: town\r\nConnection: close\r\n\r\n" % SHOP.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")
    assert b'etag: "3"' in answer


async def alive(port: int) -> bool:
    answer = await say(port, b"GET /api/v1/shops HTTP/1.1\r\nHost: town\r\nConnection: close\r\n\r\n")
    return answer.startswith(b"HTTP/1.1 200 ")
