"""The statements of signing in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from msgspec import Struct

from holdfast.auth.models import Challenge, ChallengeId, EndReason, Login, LoginId, TriedCode, UsedToken
from holdfast.common.actor import UserId
from holdfast.database import Tx, queries

SQL = queries(__file__)


class Changes(Struct, frozen=True):
    """Sign-ins whose tokens were taken back, each with the first generation that counts."""

    read_at: datetime
    logins: Sequence[tuple[LoginId, int]]


class _ChangeRow(Struct, frozen=True):
    read_at: datetime
    id: LoginId | None
    generation: int | None


class _LoginOfToken(Struct, frozen=True):
    login_id: LoginId


class _UserOfLogin(Struct, frozen=True):
    user_id: UserId


async def insert_challenge(
    tx: Tx, challenge_id: ChallengeId, phone: str, code_hash: bytes, *, is_test: bool, tries: int, lifetime: timedelta
) -> Challenge:
    made = await tx.first(
        SQL.insert_challenge,
        Challenge,
        id=challenge_id,
        phone=phone,
        code_hash=code_hash,
        is_test=is_test,
        tries=tries,
        lifetime=lifetime,
    )
    return cast(Challenge, made)


async def try_code(tx: Tx, challenge_id: ChallengeId, code_hash: bytes, phone: str | None) -> TriedCode | None:
    return await tx.first(SQL.try_code, TriedCode, id=challenge_id, code_hash=code_hash, phone=phone)


async def insert_login(tx: Tx, login_id: LoginId, user_id: UserId) -> Login:
    return cast(Login, await tx.first(SQL.insert_login, Login, id=login_id, user_id=user_id))


async def insert_refresh_token(tx: Tx, token_hash: bytes, login_id: LoginId, lifetime: timedelta) -> None:
    await tx.run(SQL.insert_refresh_token, token_hash=token_hash, login_id=login_id, lifetime=lifetime)


async def use_refresh_token(tx: Tx, token_hash: bytes) -> LoginId | None:
    """The sign-in whose token this was, or None where it could not be used."""
    found = await tx.first(SQL.use_refresh_token, _LoginOfToken, token_hash=token_hash)
    return None if found is None else found.login_id


async def read_used_token(tx: Tx, token_hash: bytes, grace: timedelta) -> UsedToken | None:
    return await tx.first(SQL.read_used_token, UsedToken, token_hash=token_hash, grace=grace)


async def known_tokens(tx: Tx, login_id: LoginId, token_hashes: Sequence[bytes]) -> frozenset[bytes]:
    rows = await tx.rows(SQL.known_tokens, login_id=login_id, token_hashes=token_hashes)
    return frozenset(row["token_hash"] for row in rows)


async def login_of_token(tx: Tx, token_hash: bytes) -> LoginId | None:
    """The sign-in that a refresh token belongs to, used or not."""
    found = await tx.first(SQL.login_of_token, _LoginOfToken, token_hash=token_hash)
    return None if found is None else found.login_id


async def user_of(tx: Tx, login_id: LoginId) -> UserId:
    return cast(_UserOfLogin, await tx.first(SQL.user_of, _UserOfLogin, id=login_id)).user_id


async def read_login(tx: Tx, login_id: LoginId, lifetime_max: timedelta) -> Login | None:
    return await tx.first(SQL.read_login, Login, id=login_id, lifetime_max=lifetime_max)


async def is_fresh(tx: Tx, login_id: LoginId, within: timedelta) -> bool:
    return bool(await tx.value(SQL.is_fresh, id=login_id, within=within))


async def end_login(tx: Tx, login_id: LoginId, reason: EndReason) -> list[Login]:
    """The sign-in as it ended; empty where it had ended before."""
    return await tx.all(SQL.end_login, Login, id=login_id, reason=reason)


async def end_logins_of(tx: Tx, user_id: UserId, reason: EndReason) -> list[Login]:
    return await tx.all(SQL.end_logins_of, Login, user_id=user_id, reason=reason)


async def take_back_tokens_of(tx: Tx, user_id: UserId) -> list[Login]:
    return await tx.all(SQL.take_back_tokens_of, Login, user_id=user_id)


async def changed_since(tx: Tx, since: datetime | None, overlap: timedelta, window: timedelta) -> Changes:
    rows = await tx.all(SQL.changed_since, _ChangeRow, since=since, overlap=overlap, window=window)
    return Changes(rows[0].read_at, [(row.id, row.generation) for row in rows if row.id is not None and row.generation is not None])


async def delete_old(tx: Tx, limit: int) -> int:
    """Delete at most ``limit`` rows of each sort that nobody can use any more; returns how many it were."""
    return sum(
        [await tx.run(statement, limit=limit) for statement in (SQL.delete_old_challenges, SQL.delete_old_tokens, SQL.delete_old_logins)]
    )
