"""The keys that sign access tokens, derived from the secret of the settings. Everybody may see the public ones."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from holdfast.vault import derived_key


class TokenKeys:
    """Signs with the present secret; accepts what was signed with either.

    To rotate without refusing anybody: first make the new secret the ``previous`` one everywhere, then change the two over.
    """

    def __init__(self, secret: str, previous: str = "") -> None:
        """``previous``: another secret whose tokens are accepted, or nothing."""
        secrets = [each for each in (secret, previous) if each]
        pairs = [Ed25519PrivateKey.from_private_bytes(derived_key(each, "auth/access-tokens")) for each in secrets]
        self.private = pairs[0]
        self.public: Mapping[str, Ed25519PublicKey] = {_thumbprint(pair.public_key()): pair.public_key() for pair in pairs}
        self.kid = _thumbprint(self.private.public_key())
        self._refresh = [derived_key(each, "auth/refresh-tokens") for each in secrets]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [{**_jwk(key), "kid": kid, "use": "sig", "alg": "EdDSA"} for kid, key in self.public.items()]}

    def successors(self, refresh_token: str) -> Sequence[str]:
        """The refresh token that replaces this one, under the present secret first.

        It can only be had from the one before and the secret, so it need not be kept to be answered twice.
        """
        return [_encoded(hmac.digest(key, refresh_token.encode(), "sha256")) for key in self._refresh]


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _encoded(key.public_bytes_raw())}


def _thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: the hash of the key's required members, in their order."""
    return _encoded(hashlib.sha256(msgspec.json.encode(_jwk(key))).digest())


def _encoded(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
