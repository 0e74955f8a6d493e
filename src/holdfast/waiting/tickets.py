"""Tickets: a number in line, signed for one person and one room, in 32 characters.

Whoever shows one is told their place without a look into the database. It proves nothing to the gate, which asks the database.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from uuid import UUID

from holdfast.vault import derived_key

_NUMBER_BYTES = 8
_MAC_BYTES = 16
TICKET_LENGTH = (_NUMBER_BYTES + _MAC_BYTES) * 4 // 3


class Tickets:
    """Signs with the present secret (HMAC-SHA-256, cut to 128 bits); accepts what was signed with either."""

    def __init__(self, secret: str, previous: str = "") -> None:
        self._keys = [derived_key(each, "waiting/tickets") for each in (secret, previous) if each]

    def sign(self, owner_id: UUID, user_id: UUID, number: int) -> str:
        written = number.to_bytes(_NUMBER_BYTES, "big")
        return urlsafe_b64encode(written + _mac(self._keys[0], owner_id, user_id, written)).decode()

    def read(self, ticket: str, owner_id: UUID, user_id: UUID) -> int | None:
        """The number; None where it is not a ticket of this person for this room."""
        if len(ticket) != TICKET_LENGTH:
            return None
        try:
            signed = urlsafe_b64decode(ticket)
        except (ValueError, NotBase64):
            return None
        written, mac = signed[:_NUMBER_BYTES], signed[_NUMBER_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, owner_id, user_id, written)) for key in self._keys):
            return None
        return int.from_bytes(written, "big")


def _mac(key: bytes, owner_id: UUID, user_id: UUID, written: bytes) -> bytes:
    return hmac.digest(key, owner_id.bytes + user_id.bytes + written, "sha256")[:_MAC_BYTES]
