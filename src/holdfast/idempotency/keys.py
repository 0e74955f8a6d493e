"""The key as it comes with a request."""

import hashlib
import re

from holdfast.common.cards import holds_card_number
from holdfast.idempotency.errors import KeyMalformed

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")


class IdempotencyKey:
    """The Idempotency-Key of one request and what it was sent with.

    ``replayed`` turns True when the answer is that of an earlier request; the edge then says so in a header.
    """

    __slots__ = ("fingerprint", "replayed", "text")

    def __init__(self, text: str, fingerprint: bytes) -> None:
        self.text = text
        self.fingerprint = fingerprint
        self.replayed = False

    @classmethod
    def read(cls, text: str, method: str, path: str, body: bytes) -> "IdempotencyKey":
        """The fingerprint is a SHA-256 over method, path and body. Raises KeyMalformed."""
        if not _VISIBLE_ASCII.fullmatch(text) or holds_card_number(text):
            raise KeyMalformed
        return cls(text, hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest())
