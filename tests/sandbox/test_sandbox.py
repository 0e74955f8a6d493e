"""The sandbox as a program of its own."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.servers import free_port, serving

from holdfast.app.sandbox.http import create_sandbox
from holdfast.app.sandbox.script import SCRIPTS

SECRET = "a secret of the sandbox"
ROOT = Path(__file__).parents[2]


def wanted(charge_id: str, token: str = "tok_success", **other: object) -> dict[str, object]:
    return {"id": charge_id, "amount": 3100, "currency": "EGP", "source": token} | other


@asynccontextmanager
async def calling(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {SECRET}"}, trust_env=False, timeout=5) as client:
        yield client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_sandbox(tmp_path / "sandbox.sqlite3", SECRET, None, late_s=0.2, silence_s=0.2, page_lives_s=0.4)
    async with serving(app) as url, calling(url) as client:
        yield client


async def test_only_who_knows_the_secret_is_let_in(client: httpx.AsyncClient) -> None:
    for method, path in (("POST", "/charges"), ("GET", "/charges/x"), ("POST", "/refunds"), ("GET", "/refunds/x"), ("GET", "/settled")):
        for authorization in ("", "Bearer wrong", SECRET):
            answer = await client.request(method, path, json=wanted("x"), headers={"Authorization": authorization})
            assert answer.status_code == 401, (method, path, authorization)
    assert (await client.get("/livez", headers={"Authorization": ""})).status_code == 200


async def test_nonsense_is_refused(client: httpx.AsyncClient) -> None:
    for change in ({"amount": 0}, {"amount": -1}, {"amount": 1.5}, {"currency": "egp"}, {"source": ""}, {"id": ""}, {"more": 1}):
        assert (await client.post("/charges", json=wanted("x") | change)).status_code == 400, change
    assert (await client.get("/charges/x")).status_code == 404


async def test_the_tokens_explain_themselves(client: httpx.AsyncClient) -> None:
    told = (await client.get("/tokens")).json()
    assert set(told) == set(SCRIPTS)
    assert all(text.endswith(".") for text in told.values())


async def test_the_page_shows_the_amount_and_takes_one_answer(client: httpx.AsyncClient) -> None:
    begun = (await client.post("/charges", json=wanted("x", "tok_3ds"))).json()
    page = begun["nextAction"]
    shown = await client.get(page)
    assert shown.headers["content-type"].startswith("text/html")
    assert "31.00 EGP" in shown.text
    assert 'value="approve"' in shown.text
    for nonsense in ({}, {"decision": "maybe"}):
        assert (await client.post(page, data=nonsense)).status_code == 400
        assert (await client.post(page, json=nonsense)).status_code == 400
    assert (await client.post(page, json=["approve"])).status_code == 400
    answered = await client.post(page, json={"decision": "approve"})
    assert answered.json()["status"] == "captured"
    assert (await client.post(page, json={"decision": "decline"})).json()["status"] == "captured"
    assert "made" in (await client.get(page)).text
    assert (await client.get("/3ds/ch_unknown")).status_code == 404


async def test_the_page_sends_the_payer_back(client: httpx.AsyncClient) -> None:
    begun = (await client.post("/charges", json=wanted("x", "tok_3ds", returnUrl="https://holdfast.example/paid"))).json()
    answered = await client.post(begun["nextAction"], data={"decision": "decline"})
    assert (answered.status_code, answered.headers["location"]) == (303, "https://holdfast.example/paid")
    assert (await client.get("/charges/x")).json()["reason"] == "authentication_failed"


async def test_a_page_that_nobody_answers_is_declined(client: httpx.AsyncClient) -> None:
    await client.post("/charges", json=wanted("x", "tok_3ds"))
    async with asyncio.timeout(5):
        while (found := (await client.get("/charges/x")).json())["status"] == "pending":
            await asyncio.sleep(0.02)
    assert found["reason"] == "authentication_expired"


async def test_what_is_not_there_is_not_given_back(client: httpx.AsyncClient) -> None:
    await client.post("/charges", json=wanted("paid"))
    await client.post("/charges", json=wanted("declined", "tok_decline_expired_card"))
    for charge_id, amount, currency in (("paid", 3101, "EGP"), ("paid", 1, "USD"), ("declined", 1, "EGP"), ("unknown", 1, "EGP")):
        answer = await client.post("/refunds", json={"id": "r", "chargeId": charge_id, "amount": amount, "currency": currency})
        assert answer.status_code == 422, (charge_id, amount, currency)
    done = await client.post("/refunds", json={"id": "r", "chargeId": "paid", "amount": 3100, "currency": "EGP"})
    assert done.json()["status"] == "done"
    other = await client.post("/refunds", json={"id": "r", "chargeId": "paid", "amount": 1, "currency": "EGP"})
    assert other.status_code == 409
    assert [refund["id"] for refund in (await client.get("/refunds", params={"charge": "paid"})).json()] == ["r"]


async def test_many_at_once_take_what_was_asked_and_no_more(client: httpx.AsyncClient) -> None:
    ids = [f"c{number % 50}" for number in range(200)]
    began = time.perf_counter()
    answers = await asyncio.gather(*(client.post("/charges", json=wanted(charge_id)) for charge_id in ids))
    assert {answer.status_code for answer in answers} == {200}
    assert len((await client.get("/settled", params={"limit": 1000})).json()) == 50
    # Thousands a minute.
    assert len(ids) / (time.perf_counter() - began) > 50


@asynccontextmanager
async def process(directory: Path, port: int, webhook_url: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = ("-P", "-m", "holdfast", "sandbox", "--port", str(port), "--data", str(directory), "--webhook-url", webhook_url)
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "HOLDFAST_SANDBOX_GATEWAY_SECRET": SECRET, **environment},
        cwd=directory,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def alive(port: int) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{port}/livez")).is_success:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.05)


class Refusing:
    """Refuses the first messages, then takes them."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[str] = []
        self.came = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        status = 503 if self.refusals > 0 else 204
        self.refusals -= 1
        if status == 204:
            self.taken.append(dict(scope["headers"])[b"webhook-id"].decode())
            self.came.set()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def test_it_remembers_everything_through_a_crash(tmp_path: Path) -> None:
    """Killed in the middle of work: what it had answered is still so, and its messages still come."""
    port = free_port()
    listener = socket.create_server(("127.0.0.1", 0))
    webhook_url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    answered: dict[str, str] = {}

    async def keep_charging(client: httpx.AsyncClient, first: int) -> None:
        for number in range(first, 10_000, 8):
            answer = await client.post("/charges", json=wanted(f"c{number}"))
            answered[f"c{number}"] = answer.json()["reference"]

    async with process(tmp_path, port, "http://127.0.0.1:1/") as first, calling(f"http://127.0.0.1:{port}") as client:
        await alive(port)
        chargers = [asyncio.create_task(keep_charging(client, number)) for number in range(8)]
        async with asyncio.timeout(30):
            while len(answered) < 60:
                await asyncio.sleep(0.01)
        first.send_signal(signal.SIGKILL)
        await asyncio.gather(*chargers, return_exceptions=True)
        await first.wait()
    receiver = Refusing(2)
    async with (
        serving(receiver, listener),
        process(tmp_path, port, webhook_url),
        calling(f"http://127.0.0.1:{port}") as client,
    ):
        await alive(port)
        moved = {movement["id"]: movement["reference"] for movement in (await client.get("/settled", params={"limit": 1000})).json()}
        assert {charge_id: moved.get(charge_id) for charge_id in answered} == answered
        # Repeated, they are the same charges.
        again = (await client.post("/charges", json=wanted("c0"))).json()
        assert again["reference"] == answered["c0"]
        async with asyncio.timeout(30):
            await receiver.came.wait()


async def test_it_does_not_run_in_production(tmp_path: Path) -> None:
    secret = "x" * 40
    environment = {
        "HOLDFAST_ENV": "production",
        "HOLDFAST_TOKEN_KEY": secret,
        "HOLDFAST_VAULT_KEY": secret,
        "HOLDFAST_CODE_CHANNEL": "json://localhost",
        "DATABASE_URL": "postgresql://nowhere/",
    }
    async with process(tmp_path, free_port(), "http://127.0.0.1:1/", **environment) as running:
        _, said = await asyncio.wait_for(running.communicate(), 30)
        assert running.returncode == 1
        assert b"production" in said, said
