"""Signing in over HTTP. Nothing here takes an Idempotency-Key: asking twice for a code is what people do, and limits guard it."""

from typing import Any

import msgspec
from litestar import Controller, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from holdfast.auth.dto import (
    ChallengeView,
    CodeAnswer,
    CodeRequest,
    CredentialsView,
    JwksView,
    LogoutRequest,
    RefreshRequest,
)
from holdfast.auth.errors import AccountClosed, CodeExpired, CodeNotSent, CodeWrong, RefreshRefused
from holdfast.auth.keys import TokenKeys
from holdfast.auth.service import AuthService
from holdfast.common.errors import NotSignedIn
from holdfast.common.guards import PUBLIC, provided, refusals
from holdfast.common.language import Language
from holdfast.limits import LimitReached

_KEYS_ARE_FRESH_FOR = "public, max-age=300"


class AuthController(Controller):
    path = "/auth"
    tags = ("Sign-in",)

    @post("/request-otp", status_code=202, opt=PUBLIC, responses=refusals(LimitReached, CodeNotSent))
    async def request_code(
        self,
        data: JSONBody[CodeRequest],
        service: NamedDependency[AuthService],
        address: NamedDependency[str],
        language: NamedDependency[Language],
    ) -> ChallengeView:
        """Have a code sent to your phone. It is good for 5 minutes and 5 tries."""
        return ChallengeView.of(await service.request_code(data.phone, address, language))

    @post("/verify-otp", status_code=200, opt=PUBLIC, responses=refusals(CodeWrong, CodeExpired, AccountClosed))
    async def verify_code(
        self, data: JSONBody[CodeAnswer], service: NamedDependency[AuthService], language: NamedDependency[Language]
    ) -> CredentialsView:
        """Sign in with the code. The first time makes your account."""
        return CredentialsView.of(await service.verify_code(data.challenge_id, data.code, data.phone, language))

    @post("/refresh-token", status_code=200, opt=PUBLIC, responses=refusals(RefreshRefused))
    async def refresh(self, data: JSONBody[RefreshRequest], service: NamedDependency[AuthService]) -> CredentialsView:
        """Get new tokens for a refresh token. Keep the new one: using an old one again ends the sign-in."""
        return CredentialsView.of(await service.refresh(data.refresh_token))

    @post("/logout", status_code=204, opt=PUBLIC, responses=refusals(NotSignedIn))
    async def log_out(
        self,
        service: NamedDependency[AuthService],
        request: Request[Any, Any, Any],
        data: JSONBody[LogoutRequest | None] = None,
    ) -> None:
        """Sign out on this device. Send the refresh token, or the access token as usual; the refresh token will do without a valid one."""
        scheme, _, access_token = request.headers.get("authorization", "").partition(" ")
        await service.log_out(
            refresh_token=None if data is None else data.refresh_token,
            access_token=access_token.strip() if scheme.lower() == "bearer" else None,
        )


class KeysController(Controller):
    path = "/.well-known"
    tags = ("Sign-in",)

    @get("/jwks.json", opt=PUBLIC)
    async def jwks(self, keys: NamedDependency[TokenKeys]) -> Response[JwksView]:
        """The public keys that access tokens are signed with (RFC 7517)."""
        return Response(msgspec.convert(keys.jwks(), JwksView), headers={"Cache-Control": _KEYS_ARE_FRESH_FOR})


def router(service: AuthService) -> Router:
    return Router(path="/", route_handlers=[AuthController], dependencies={"service": provided(service)})


def root_router(keys: TokenKeys) -> Router:
    """What stands at the root, not under the base path."""
    return Router(path="/", route_handlers=[KeysController], dependencies={"keys": provided(keys)})
