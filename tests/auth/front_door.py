"""Signing in as the program puts it together, with an inbox in place of the messages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from litestar import Router

from holdfast.app.http import create_app
from holdfast.auth import Code, SignedIn, module
from holdfast.auth.challenges import Invitations
from holdfast.auth.keys import TokenKeys
from holdfast.cache import RedisLink
from holdfast.common.language import Language
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.limits import Limits
from holdfast.users import module as users_module
from holdfast.vault import PersonalVault, Vault

SECRET = "a secret of at least thirty-two characters"
ISSUER = "https://book.example"
PHONE = "+201001234567"
TEST_PHONE = "+201000012345"
ADDRESS = "203.0.113.7"


class Inbox:
    """Every code that was sent."""

    def __init__(self) -> None:
        self.codes: list[Code] = []

    async def send(self, code: Code) -> None:
        self.codes.append(code)


class FrontDoor:
    """One process: users and auth on a database, maybe with a Redis."""

    def __init__(
        self,
        database: Database,
        redis_url: str = "",
        *,
        accepts_test_phones: bool = True,
        secret: str = SECRET,
        previous: str = "",
        vault: Vault | None = None,
    ) -> None:
        vault = vault or Vault(SECRET)
        self.database = database
        self.inbox = Inbox()
        self.redis = RedisLink(redis_url)
        self.keys = TokenKeys(secret, previous)
        self.users = users_module.build(database, PersonalVault(vault), default_region="EG")
        self.people = self.users.people
        self.auth = module.build(
            database,
            self.people,
            Limits(database, self.redis),
            vault,
            self.keys,
            self.inbox,
            issuer=ISSUER,
            access_lifetime=timedelta(minutes=10),
            refresh_lifetime=timedelta(days=30),
            default_region="EG",
            accepts_test_phones=accepts_test_phones,
        )
        self.service = self.auth.service
        self.invitations = Invitations(database, self.people, vault, default_region="EG")

    async def sign_in(self, phone: str = TEST_PHONE) -> Any:
        """The credentials of a person who asks for a code and answers with it."""
        challenge = await self.service.request_code(phone, ADDRESS, Language.EN)
        code = self.inbox.codes[-1].digits if self.inbox.codes and self.inbox.codes[-1].phone == phone else "000000"
        return await self.service.verify_code(challenge.id, code, None, Language.EN)

    async def who(self, token: str) -> SignedIn:
        return await self.auth.sign_in_of(token)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """While it keeps up with what other processes take back."""
        task = asyncio.ensure_future(self.auth.follow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def http(self, *more: Router) -> AsyncIterator[httpx.AsyncClient]:
        """A client of its HTTP interface."""
        app = create_app(_Program([self.auth.router, self.users.router, *more], [self.auth.root_router], self.auth.verify))
        transport = httpx.ASGITransport(app, client=(ADDRESS, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as client:
            yield client


class _Program:
    def __init__(self, routers: Sequence[Router], root_routers: Sequence[Router], verify: Any) -> None:
        self.settings = Settings(_env_file=None)  # type: ignore[call-arg]
        self.routers = routers
        self.root_routers = root_routers
        self.verify = verify
        self.lifespan: Sequence[Any] = ()
        self.sockets: Any = None
