"""Access tokens: JWTs signed with Ed25519, without personal data, good for minutes."""

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from datetime import timedelta

import jwt
import msgspec
from msgspec import Struct

from holdfast.auth.keys import TokenKeys
from holdfast.auth.models import Login, LoginId, SignedIn
from holdfast.auth.revocations import Revocations
from holdfast.common.actor import Role, UserId
from holdfast.common.errors import NotFound, NotSignedIn
from holdfast.common.wire import decode_hook

AUDIENCE = "holdfast"
TYPE = "at+jwt"
ALGORITHM = "EdDSA"
LEEWAY_S = 5
TOKEN_LENGTH_MAX = 1000
KNOWN_MAX = 20_000
_HEADERS = frozenset({"alg", "kid", "typ"})
_REQUIRED = ["iss", "aud", "sub", "role", "sid", "gen", "iat", "exp"]
_THREE_PARTS = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_REFRESH_PREFIX = "hfr_"
_REFRESH_BYTES = 32


class _Claims(Struct, frozen=True):
    """What of a token's claims is ours: the person, the role, the sign-in (``sid``) and its generation."""

    sub: UserId
    role: Role
    sid: LoginId
    gen: int
    exp: int


class _Known(Struct, frozen=True):
    actor: SignedIn
    expires_at: int


class AccessTokens:
    """Gives tokens out and reads them. One that was found good is remembered, so that reading it again costs next to nothing."""

    def __init__(self, keys: TokenKeys, revocations: Revocations, *, issuer: str, lifetime: timedelta) -> None:
        self._keys = keys
        self._revocations = revocations
        self._issuer = issuer
        self.lifetime_s = int(lifetime.total_seconds())
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def issue(self, login: Login, role: Role) -> str:
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(login.user_id),
            "role": role.value,
            "sid": str(login.id),
            "gen": login.generation,
            "iat": now,
            "exp": now + self.lifetime_s,
        }
        return jwt.encode(claims, self._keys.private, ALGORITHM, headers={"kid": self._keys.kid, "typ": TYPE})

    def read(self, token: str) -> SignedIn:
        """Who holds this token. Raises NotSignedIn."""
        known = self._known.get(token)
        if known is None:
            known = self._check(token)
            self._known[token] = known
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        if known.expires_at <= time.time() or self._revocations.has(known.actor.login_id, known.actor.generation):
            self._known.pop(token, None)
            raise NotSignedIn
        return known.actor

    def _check(self, token: str) -> _Known:
        if len(token) > TOKEN_LENGTH_MAX or not _THREE_PARTS.fullmatch(token):
            raise NotSignedIn
        try:
            header = jwt.get_unverified_header(token)
            # What else a header could ask for (other keys, other algorithms, critical extensions) is none of ours.
            if header.keys() != _HEADERS or header["typ"] != TYPE or header["alg"] != ALGORITHM:
                raise NotSignedIn
            key = self._keys.public.get(header["kid"])
            if key is None:
                raise NotSignedIn
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED, "strict_aud": True},
            )
            found = msgspec.convert(claims, _Claims, dec_hook=decode_hook)
        except (jwt.PyJWTError, msgspec.MsgspecError, RecursionError, NotFound) as error:
            raise NotSignedIn from error
        return _Known(SignedIn(found.sub, found.role, found.sid, found.gen), found.exp)


def first_refresh_token() -> str:
    return _REFRESH_PREFIX + secrets.token_urlsafe(_REFRESH_BYTES)


def refresh_tokens_after(keys: TokenKeys, token: str) -> list[str]:
    """The successor of a refresh token, under the present secret first."""
    return [_REFRESH_PREFIX + each for each in keys.successors(token)]


def token_hash(refresh_token: str) -> bytes:
    """What is kept of a refresh token. It is long and random, so a plain hash hides it."""
    return hashlib.sha256(refresh_token.encode()).digest()
