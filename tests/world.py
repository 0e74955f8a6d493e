"""The whole program on loopback: web server, worker loops and sandbox gateway, and people who use it over HTTP alone."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
from tests.servers import free_port, serving
from tests.shop import Shop

from holdfast.app.check import examine
from holdfast.app.http import create_app
from holdfast.app.sandbox.http import create_sandbox
from holdfast.app.settings import load_settings
from holdfast.app.wiring import Program, build_program
from holdfast.app.worker import run_program
from holdfast.auth.challenges import Invitations
from holdfast.auth.sign_ins import SignInsOfPeople
from holdfast.payments.gateway import Gateway
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.users import People
from holdfast.vault import Vault

PATIENCE_S = 20.0
API = "/api/v1"


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the body, the headers in small letters."""

    status: int
    body: Any
    headers: dict[str, str]


@dataclass
class Person:
    """Somebody who signed in with a test phone."""

    world: "World"
    phone: str
    user_id: str
    token: str

    async def ask(self, method: str, path: str, body: object = None, *, key: str | None = None, **headers: str) -> Answer:
        """One request, with a fresh Idempotency-Key unless one is given."""
        sent = {"Authorization": f"Bearer {self.token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if method != "GET":
            sent["Idempotency-Key"] = key or str(uuid4())
        return await self.world.ask(method, path, body, **sent)

    async def get(self, path: str) -> Answer:
        return await self.ask("GET", path)

    async def post(self, path: str, body: object = None, *, key: str | None = None) -> Answer:
        return await self.ask("POST", path, body, key=key)

    async def hold(self, session_id: str, seats: int = 1, *, key: str | None = None) -> Answer:
        return await self.post("/bookings/hold", {"sessionId": session_id, "seatsCount": seats}, key=key)

    async def pay(self, hold_id: str, token: str = "tok_success", *, key: str | None = None) -> Answer:
        return await self.post("/payments/pay", {"holdId": hold_id, "method": "CARD", "token": token}, key=key)


@dataclass
class World:
    """One Holdfast. ``shop`` reaches into its database, for what no passenger can do."""

    base_url: str
    program: Program
    shop: Shop
    http: aiohttp.ClientSession
    gateways: Sequence[Gateway]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(10_000))

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        async with self.http.request(method, f"{self.base_url}{API}{path}", json=body, headers=headers) as response:
            content = await response.json(content_type=None) if response.content_length != 0 else None
            return Answer(response.status, content, {name.lower(): value for name, value in response.headers.items()})

    async def person(self, phone: str | None = None) -> Person:
        """Signs in, over HTTP, with a test phone."""
        phone = phone or f"+2010000{next(self._numbers)}"
        challenge = await self.ask("POST", "/auth/request-otp", {"phone": phone})
        assert challenge.status in (200, 201, 202), challenge
        return await self._verify(phone, challenge.body["challengeId"], "000000")

    async def driver(self) -> Person:
        """An approved driver, signed in as one."""
        person = await self.person()
        applied = await person.post(
            "/drivers/apply",
            {"vehicleNumber": "ق ب ج 123", "vehicleType": "microbus", "totalSeats": 14, "licenseNumber": "29001011234567"},
        )
        assert applied.status == 201, applied
        admin = await self.admin()
        approved = await admin.post(f"/drivers/{applied.body['id']}/approve")
        assert approved.status in (200, 201), approved
        return await self.person(person.phone)

    async def admin(self) -> Person:
        """Made as ``holdfast create-admin`` makes them, since no test phone is ever an admin's."""
        people = People()
        people.sign_ins = SignInsOfPeople()
        vault = Vault(self.program.settings.vault_key.get_secret_value())
        phone = f"+20123{next(self._numbers):07}"
        challenge, code = await Invitations(self.program.database, people, vault, default_region="EG").invite_admin(phone)
        return await self._verify(phone, str(challenge.id), code)

    async def _verify(self, phone: str, challenge_id: str, code: str) -> Person:
        signed_in = await self.ask("POST", "/auth/verify-otp", {"challengeId": challenge_id, "code": code})
        assert signed_in.status in (200, 201), signed_in
        return Person(self, phone, signed_in.body["user"]["id"], signed_in.body["accessToken"])

    async def session(self, seats: int = 14) -> tuple[Person, str]:
        """A driver, and the session that was opened."""
        driver = await self.driver()
        started = await driver.post(
            "/sessions/start",
            {"routeId": str(self.shop.route_id), "stationId": str(self.shop.station_id), "totalSeats": seats},
        )
        assert started.status == 201, started
        return driver, started.body["id"]

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until something is true, at most 20 s."""
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():
                await asyncio.sleep(0.02)

    async def assert_all_is_well(self) -> None:
        """Every invariant holds, as soon as what is under way has come to its end."""
        broken: list[str] = []

        async def is_well() -> bool:
            settings = self.program.settings
            found = await examine(settings.database_url, gateways=self.gateways, settled_grace=timedelta(0), test_clock=True)
            broken[:] = [f"{finding.name}: {finding.rows}" for finding in found.findings if not finding.holds]
            return not broken

        try:
            await self.until(is_well)
        except TimeoutError:
            raise AssertionError("\n".join(broken)) from None


@asynccontextmanager
async def open_world(database_url: str, redis_url: str, directory: Path, *, worker: bool = True, **settings: str) -> AsyncIterator[World]:
    """A Holdfast of one test's own, with a route to sell seats on. Without ``worker``, nothing happens by itself."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    webhooks = f"http://127.0.0.1:{port}{API}/webhooks/gateways/sandbox"
    loaded = load_settings(
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        HOLDFAST_PORT=str(port),
        HOLDFAST_INTERNAL_PORT=str(free_port()),
        HOLDFAST_SANDBOX_GATEWAY_URL="http://127.0.0.1:1",
        **settings,
    )
    sandbox = create_sandbox(
        directory / "sandbox.sqlite3", loaded.sandbox_gateway_secret.get_secret_value(), webhooks, late_s=0.5, silence_s=6.0
    )
    async with serving(sandbox) as gateway_url:
        loaded = loaded.model_copy(update={"sandbox_gateway_url": gateway_url})
        gateway = SandboxGateway(gateway_url, loaded.sandbox_gateway_secret.get_secret_value())
        program = build_program(loaded)
        shop = Shop(program.database)
        await shop.open()
        working = asyncio.create_task(run_program(build_program(loaded))) if worker else None
        async with serving(create_app(program), listener) as base_url, aiohttp.ClientSession() as http:
            try:
                yield World(base_url, program, shop, http, [gateway])
            finally:
                if working is not None:
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)
                await gateway.close()
