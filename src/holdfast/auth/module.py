"""Signing in put together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from litestar import Router

from holdfast.auth.controller import root_router, router
from holdfast.auth.keys import TokenKeys
from holdfast.auth.models import SignedIn
from holdfast.auth.revocations import Revocations
from holdfast.auth.sender import CodeSender
from holdfast.auth.service import AuthService
from holdfast.auth.sign_ins import SignInsOfPeople
from holdfast.auth.tokens import AccessTokens
from holdfast.common.guards import Verify
from holdfast.database import Database
from holdfast.jobs import Job
from holdfast.limits import Limits
from holdfast.users import People
from holdfast.vault import Vault


@dataclass(frozen=True)
class AuthModule:
    """``verify`` says who holds an access token, ``sign_in_of`` also which sign-in it belongs to.

    ``follow`` runs, until cancelled, in every process that reads access tokens. ``root_router`` stands outside the base path.
    """

    service: AuthService
    verify: Verify
    sign_in_of: Callable[[str], Awaitable[SignedIn]]
    router: Router
    root_router: Router
    follow: Callable[[], Awaitable[None]]
    jobs: Sequence[Job]


def build(
    database: Database,
    people: People,
    limits: Limits,
    vault: Vault,
    keys: TokenKeys,
    sender: CodeSender,
    *,
    issuer: str,
    access_lifetime: timedelta,
    refresh_lifetime: timedelta,
    default_region: str,
    accepts_test_phones: bool,
) -> AuthModule:
    """``issuer`` stands in every access token: the public address of this installation."""
    revocations = Revocations(database, access_lifetime)
    tokens = AccessTokens(keys, revocations, issuer=issuer, lifetime=access_lifetime)
    service = AuthService(
        database, people, limits, vault, keys, tokens, revocations, sender,
        refresh_lifetime=refresh_lifetime, default_region=default_region, accepts_test_phones=accepts_test_phones,
    )  # fmt: skip
    people.sign_ins = SignInsOfPeople()
    jobs = [Job("auth.forget_old", service.forget_old, schedule="17 * * * *")]
    return AuthModule(service, service.verify_access, service.sign_in_of, router(service), root_router(keys), revocations.follow, jobs)
