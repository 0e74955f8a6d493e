"""Making a challenge: a code that somebody must answer with, kept as a hash."""

from holdfast.auth import codes, repository
from holdfast.auth.models import Challenge, ChallengeId
from holdfast.common.actor import SYSTEM
from holdfast.database import Database, Tx, retried
from holdfast.users import People, e164
from holdfast.vault import Vault


async def open_challenge(tx: Tx, vault: Vault, phone: str, digits: str, *, is_test: bool = False) -> Challenge:
    """``phone`` in E.164."""
    challenge_id = ChallengeId.new()
    hashed = codes.code_hash(vault, challenge_id, digits)
    return await repository.insert_challenge(tx, challenge_id, phone, hashed, is_test=is_test, tries=codes.TRIES, lifetime=codes.LIFETIME)


class Invitations:
    """How the first admin comes in, and one who locked everybody out comes back: by whoever runs the machine."""

    def __init__(self, database: Database, people: People, vault: Vault, *, default_region: str) -> None:
        self._database = database
        self._people = people
        self._vault = vault
        self._default_region = default_region

    @retried
    async def invite_admin(self, phone: str) -> tuple[Challenge, str]:
        """Make the person with this phone an admin; returns a challenge and its code, which is not sent. Raises Invalid."""
        number = e164(phone, self._default_region)
        digits = codes.new_code()
        async with self._database.transaction() as tx:
            await self._people.make_admin(tx, SYSTEM, number)
            return await open_challenge(tx, self._vault, number, digits), digits
