"""Signing in with a code, staying signed in, and signing out."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from holdfast import audit
from holdfast.audit import Deed
from holdfast.auth import codes, repository
from holdfast.auth.challenges import open_challenge
from holdfast.auth.errors import AccountClosed, CodeExpired, CodeNotSent, CodeWrong, RefreshRefused
from holdfast.auth.keys import TokenKeys
from holdfast.auth.models import Challenge, ChallengeId, Credentials, EndReason, Login, LoginId, SignedIn, TriedCode
from holdfast.auth.revocations import Revocations
from holdfast.auth.sender import Code, CodeSender
from holdfast.auth.sign_ins import announce
from holdfast.auth.tokens import AccessTokens, first_refresh_token, refresh_tokens_after, token_hash
from holdfast.common.actor import SYSTEM, Actor, Role
from holdfast.common.errors import Refusal
from holdfast.common.language import Language
from holdfast.database import Database, Tx, retried
from holdfast.limits import Limits
from holdfast.users import People, User, e164
from holdfast.vault import Vault

SEND_DEADLINE_S = 10.0
# A reply that was lost, or two tabs that refresh at once: within this time an old refresh token gives the same new one.
REUSE_GRACE = timedelta(seconds=10)
LOGIN_LIFETIME_MAX = timedelta(days=365)
_SLICE = 1000


class _Signed(NamedTuple):
    """What a transaction decided; the tokens are made after its commit."""

    login: Login
    user: User
    refresh_token: str


class AuthService:
    def __init__(
        self,
        database: Database,
        people: People,
        limits: Limits,
        vault: Vault,
        keys: TokenKeys,
        tokens: AccessTokens,
        revocations: Revocations,
        sender: CodeSender,
        *,
        refresh_lifetime: timedelta,
        default_region: str,
        accepts_test_phones: bool,
    ) -> None:
        self._database = database
        self._people = people
        self._limits = limits
        self._vault = vault
        self._keys = keys
        self._tokens = tokens
        self._revocations = revocations
        self._sender = sender
        self._refresh_lifetime = refresh_lifetime
        self._default_region = default_region
        self._accepts_test_phones = accepts_test_phones

    async def request_code(self, phone: str, address: str, language: Language) -> Challenge:
        """Send a code to a phone. Whether it has an account makes no difference to anything here.

        Raises Invalid, LimitReached, CodeNotSent.
        """
        number = e164(phone, self._default_region)
        if await self._is_signed_in_for_tests(number):
            return await self._challenge(number, codes.TEST_CODE, is_test=True)
        await self._limits.use_up(codes.uses(self._vault, number, address))
        digits = codes.new_code()
        challenge = await self._challenge(number, digits, is_test=False)
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self._sender.send(Code(number, digits, codes.LIFETIME, language))
        except TimeoutError:
            raise CodeNotSent from None
        return challenge

    async def verify_code(self, challenge_id: ChallengeId, code: str, phone: str | None, language: Language) -> Credentials:
        """Sign in with the code of a challenge; who has no account gets one. ``phone``, where given, must be the challenge's.

        Raises Invalid, CodeWrong, CodeExpired, AccountClosed.
        """
        number = None if phone is None else e164(phone, self._default_region)
        outcome = await self._try_code(challenge_id, codes.read_code(code), number, language)
        if isinstance(outcome, Refusal):
            raise outcome
        return self._credentials(outcome)

    async def refresh(self, refresh_token: str) -> Credentials:
        """New tokens for a refresh token, which is thereby used up. Raises RefreshRefused.

        Whoever uses one a second time later than 10 seconds after the first is taken for a thief, or the robbed: the sign-in ends.
        """
        outcome = await self._try_refresh(refresh_token)
        if isinstance(outcome, _Signed):
            return self._credentials(outcome)
        for login in outcome:
            self._revocations.note(login.id, login.generation)
        raise RefreshRefused

    @retried
    async def log_out(self, *, refresh_token: str | None = None, access_token: str | None = None) -> None:
        """End the sign-in that a refresh token, or else an access token, belongs to. One that has ended stays so.

        Raises NotSignedIn without a refresh token and without a valid access token.
        """
        login_id = (await self.sign_in_of(access_token or "")).login_id if refresh_token is None else None
        async with self._database.transaction() as tx:
            if refresh_token is not None:
                login_id = await repository.login_of_token(tx, token_hash(refresh_token))
            ended = [] if login_id is None else await repository.end_login(tx, login_id, EndReason.LOGGED_OUT)
            await announce(tx, ended)
        for login in ended:
            self._revocations.note(login.id, login.generation)

    async def sign_in_of(self, access_token: str) -> SignedIn:
        """The sign-in that an access token belongs to. Raises NotSignedIn."""
        await self._revocations.be_ready()
        return self._tokens.read(access_token)

    async def verify_access(self, access_token: str) -> Actor:
        """Who holds an access token. Raises NotSignedIn."""
        return (await self.sign_in_of(access_token)).actor

    async def forget_old(self) -> None:
        """Delete codes, tokens, sign-ins and limits that are over, in slices."""
        deleted = _SLICE
        while deleted >= _SLICE:
            async with self._database.transaction() as tx:
                deleted = await repository.delete_old(tx, _SLICE)
        await self._limits.forget_old_windows()

    async def _is_signed_in_for_tests(self, phone: str) -> bool:
        """Whether the phone is one of the test range, where they are accepted. Never that of an admin."""
        if not (self._accepts_test_phones and codes.is_test_phone(phone)):
            return False
        async with self._database.transaction() as tx:
            person = await self._people.with_phone(tx, phone)
        return person is None or person.role is not Role.ADMIN

    @retried
    async def _challenge(self, phone: str, digits: str, *, is_test: bool) -> Challenge:
        async with self._database.transaction() as tx:
            return await open_challenge(tx, self._vault, phone, digits, is_test=is_test)

    @retried
    async def _try_code(self, challenge_id: ChallengeId, digits: str, phone: str | None, language: Language) -> _Signed | Refusal:
        """Refusals come as values, so that the try that was made is committed."""
        hashed = codes.code_hash(self._vault, challenge_id, digits)
        async with self._database.transaction() as tx:
            tried = await repository.try_code(tx, challenge_id, hashed, phone)
            if tried is None or (tried.is_test and not self._accepts_test_phones):
                return CodeExpired()
            if not tried.is_right:
                return CodeWrong(tries_left=tried.tries_left) if tried.tries_left else CodeExpired()
            return await self._sign_in(tx, tried, language)

    async def _sign_in(self, tx: Tx, tried: TriedCode, language: Language) -> _Signed | Refusal:
        user = await self._people.sign_in(tx, tried.phone, language)
        if tried.is_test and user.role is Role.ADMIN:
            return CodeExpired()
        if not user.is_active:
            return AccountClosed()
        login = await repository.insert_login(tx, LoginId.new(), user.id)
        refresh_token = first_refresh_token()
        await repository.insert_refresh_token(tx, token_hash(refresh_token), login.id, self._refresh_lifetime)
        return _Signed(login, user, refresh_token)

    @retried
    async def _try_refresh(self, refresh_token: str) -> _Signed | list[Login]:
        """The sign-in goes on, or what of it ended just now (nothing, where the token was no good anyway)."""
        hashed = token_hash(refresh_token)
        successors = refresh_tokens_after(self._keys, refresh_token)
        async with self._database.transaction() as tx:
            login_id = await repository.use_refresh_token(tx, hashed)
            if login_id is not None:
                await repository.insert_refresh_token(tx, token_hash(successors[0]), login_id, self._refresh_lifetime)
                return await self._go_on(tx, login_id, successors[0])
            used = await repository.read_used_token(tx, hashed, REUSE_GRACE)
            if used is None or not used.was_used:
                return []
            if used.was_used_just_now:
                known = await repository.known_tokens(tx, used.login_id, [token_hash(each) for each in successors])
                for successor in successors:
                    if token_hash(successor) in known:
                        return await self._go_on(tx, used.login_id, successor)
                return []
            return await self._end_reused(tx, used.login_id)

    async def _go_on(self, tx: Tx, login_id: LoginId, refresh_token: str) -> _Signed | list[Login]:
        # The person first: the generation that is read once nobody can change the role belongs to that role.
        user = await self._people.hold_still(tx, await repository.user_of(tx, login_id))
        login = await repository.read_login(tx, login_id, LOGIN_LIFETIME_MAX)
        if login is None or login.ended_at is not None or not user.is_active:
            return []
        return _Signed(login, user, refresh_token)

    async def _end_reused(self, tx: Tx, login_id: LoginId) -> list[Login]:
        ended = await repository.end_login(tx, login_id, EndReason.TOKEN_REUSED)
        await announce(tx, ended)
        await audit.record(tx, [Deed(SYSTEM, "login.token_reused", login.id, after={"user_id": str(login.user_id)}) for login in ended])
        return ended

    def _credentials(self, signed: _Signed) -> Credentials:
        token = self._tokens.issue(signed.login, signed.user.role)
        return Credentials(signed.user, token, signed.refresh_token, self._tokens.lifetime_s)
