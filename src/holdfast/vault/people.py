"""One key per person: what is encrypted under it becomes unreadable, wherever copies of it lie, once the key is destroyed."""

from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.database import Tx
from holdfast.vault import repository
from holdfast.vault.keyring import Unreadable, Vault, key_id, open_with, seal_with, sealed_by


class Forgotten(Unreadable):
    """The key of this person was destroyed: what was sealed under it is erased."""


class PersonalVault:
    """Seals texts under the keys of persons. Those keys are kept in the database, sealed by the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def seal_for(self, tx: Tx, person_id: UUID, text: str) -> bytes:
        """The first value of a person makes the key."""
        key = await self._key(tx, person_id) or await self._made_key(tx, person_id)
        return seal_with(AESGCM(key), key_id(key), text.encode(), _context(person_id))

    async def ensure_key(self, tx: Tx, person_id: UUID) -> None:
        """Make the key now where there is none, for a transaction that locks other rows of this person before it seals."""
        await self._key(tx, person_id) or await self._made_key(tx, person_id)

    async def open_for(self, tx: Tx, person_id: UUID, sealed: bytes) -> str:
        """Raises Forgotten where the key was destroyed, Unreadable otherwise."""
        key = await self._key(tx, person_id)
        if key is None or key_id(key) != sealed_by(sealed):
            raise Forgotten("the key of this person was destroyed")
        return open_with(AESGCM(key), sealed, _context(person_id)).decode()

    async def forget(self, tx: Tx, person_id: UUID) -> None:
        """Destroy a person's key. What was sealed under it stays where it is, and nobody can read it any more."""
        await repository.delete_key(tx, person_id)

    async def _key(self, tx: Tx, person_id: UUID) -> bytes | None:
        wrapped = await repository.read_key(tx, person_id)
        return None if wrapped is None else self._vault.open(wrapped, _wrapping(person_id))

    async def _made_key(self, tx: Tx, person_id: UUID) -> bytes:
        fresh = AESGCM.generate_key(256)
        wrapped = self._vault.seal(fresh, _wrapping(person_id))
        if await repository.insert_key(tx, person_id, self._vault.present_key, wrapped):
            return fresh
        # Another transaction made it first, and has committed by now.
        made = await self._key(tx, person_id)
        if made is None:
            raise Forgotten("the key of this person was destroyed just now")
        return made


def _wrapping(person_id: UUID) -> str:
    return f"vault_keys/wrapped_key/{person_id.hex}"


def _context(person_id: UUID) -> str:
    return f"person/{person_id.hex}"
