"""Tickets: a number in line, signed for one person and one room, in 32 characters.

Whoever shows one is told their place without a look into the database. It proves nothing to the gate, which asks the database.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
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
        return _signed(self._keys[0], owner_id, user_id, number)

    def read(self, ticket: str, owner_id: UUID, user_id: UUID) -> int | None:
        """The number; None where it is not a ticket of this person for this room."""
        if len(ticket) != TICKET_LENGTH or not ticket.isascii():
            return None
        try:
            number = int.from_bytes(urlsafe_b64decode(ticket)[:_NUMBER_BYTES], "big")
        except ValueError:
            return None
        if not any(hmac.compare_digest(ticket, _signed(key, owner_id, user_id, number)) for key in self._keys):
            return None
        return number


def _signed(key: bytes, owner_id: UUID, user_id: UUID, number: int) -> str:
    written = number.to_bytes(_NUMBER_BYTES, "big")
    mac = hmac.digest(key, owner_id.bytes + user_id.bytes + written, "sha256")[:_MAC_BYTES]
    return urlsafe_b64encode(written + mac).decode()
