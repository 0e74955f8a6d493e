"""Signing in on the wire."""

from datetime import datetime
from typing import Annotated, Literal, Self

from msgspec import Meta, Struct

from holdfast.auth.models import Challenge, ChallengeId, Credentials
from holdfast.users.dto import UserView

Phone = Annotated[
    str, Meta(min_length=3, max_length=32, description="A mobile number; without a country code, one of Egypt.", examples=["+201000012345"])
]
RefreshToken = Annotated[str, Meta(min_length=1, max_length=200)]


class CodeRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which phone to send a code to."""

    phone: Phone


class CodeAnswer(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The code that came, and the challenge that it answers. ``phone`` may be sent too; then it must be the same."""

    challenge_id: ChallengeId
    code: Annotated[str, Meta(min_length=6, max_length=6, description="The six digits that came.", examples=["000000"])]
    phone: Phone | None = None


class RefreshRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A refresh token, to be changed for new tokens. Each can be used once."""

    refresh_token: RefreshToken


class LogoutRequest(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Which sign-in to end; without a refresh token, that of the access token."""

    refresh_token: RefreshToken | None = None


class ChallengeView(Struct, frozen=True, rename="camel"):
    """A code is on its way. Send it with ``challengeId`` before ``expiresAt``."""

    challenge_id: str
    expires_at: datetime

    @classmethod
    def of(cls, challenge: Challenge) -> Self:
        return cls(str(challenge.id), challenge.expires_at)


class CredentialsView(Struct, frozen=True, rename="camel"):
    """Tokens. ``accessToken`` goes into the Authorization header and lives ``expiresIn`` seconds; ``refreshToken`` gets the next."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: UserView

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        return cls(credentials.access_token, credentials.refresh_token, "Bearer", credentials.lifetime_s, UserView.of(credentials.user))


class JwkView(Struct, frozen=True):
    """A public key (RFC 8037)."""

    crv: str
    kty: str
    x: str
    kid: str
    use: str
    alg: str


class JwksView(Struct, frozen=True):
    """The public keys that access tokens are signed with."""

    keys: list[JwkView]
