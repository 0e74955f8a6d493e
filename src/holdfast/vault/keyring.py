"""AES-256-GCM with the key's id in front: ``version | key id | nonce | ciphertext and tag``."""

import hmac
import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_NONCE_STARTS = len(_VERSION) + _KEY_ID_BYTES
_TEXT_STARTS = _NONCE_STARTS + _NONCE_BYTES


class Unreadable(Exception):
    """A sealed value cannot be opened: its key is gone, it was altered, or it was sealed for another place."""


def derived_key(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose. Keys of different purposes tell nothing about each other or the secret."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"holdfast/" + purpose.encode()).derive(secret.encode())


class Vault:
    """Seals values under the present secret; opens what was sealed under the present or an earlier one.

    Nonces are random, so a secret is good for some 2^32 values: rotate it long before.
    """

    def __init__(self, secret: str, *previous: str) -> None:
        """Empty ``previous`` secrets are passed over, so that a setting can be given as it is."""
        keys = [derived_key(each, "vault/values") for each in (secret, *previous) if each]
        self._ciphers: Mapping[bytes, AESGCM] = {key_id(key): AESGCM(key) for key in keys}
        self._present = key_id(keys[0])
        self._hash_key = derived_key(secret, "vault/hashes")

    @property
    def present_key(self) -> str:
        """The id of the key that seals now."""
        return self._present.hex()

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """``context`` names where the value stands (table, column, row): it cannot be opened for another place."""
        return seal_with(self._ciphers[self._present], self._present, plaintext, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Raises Unreadable."""
        cipher = self._ciphers.get(sealed_by(sealed))
        if cipher is None:
            raise Unreadable("sealed under a secret that is no longer in the settings")
        return open_with(cipher, sealed, context)

    def seal_text(self, text: str, context: str) -> bytes:
        return self.seal(text.encode(), context)

    def open_text(self, sealed: bytes, context: str) -> str:
        """Raises Unreadable."""
        return self.open(sealed, context).decode()

    def hashed(self, text: str, purpose: str) -> bytes:
        """HMAC-SHA-256 under a key of its own: to compare or look up what must not be kept readable."""
        return hmac.digest(self._hash_key, purpose.encode() + b"\0" + text.encode(), "sha256")


def key_id(key: bytes) -> bytes:
    """What names a key without telling anything about it."""
    return hmac.digest(key, b"holdfast key id", "sha256")[:_KEY_ID_BYTES]


def sealed_by(sealed: bytes) -> bytes:
    """The id of the key under which a value was sealed. Raises Unreadable where it is not a sealed value."""
    if sealed[: len(_VERSION)] != _VERSION or len(sealed) < _TEXT_STARTS:
        raise Unreadable("not a sealed value")
    return sealed[len(_VERSION) : _NONCE_STARTS]


def seal_with(cipher: AESGCM, named: bytes, plaintext: bytes, context: str) -> bytes:
    head = _VERSION + named
    nonce = os.urandom(_NONCE_BYTES)
    return head + nonce + cipher.encrypt(nonce, plaintext, head + context.encode())


def open_with(cipher: AESGCM, sealed: bytes, context: str) -> bytes:
    head, nonce = sealed[:_NONCE_STARTS], sealed[_NONCE_STARTS:_TEXT_STARTS]
    try:
        return cipher.decrypt(nonce, sealed[_TEXT_STARTS:], head + context.encode())
    except InvalidTag:
        raise Unreadable("altered, or sealed for another place") from None
