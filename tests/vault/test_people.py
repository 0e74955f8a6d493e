"""Texts that are encrypted under one person's own key."""

import asyncio

import pytest

from holdfast.common.actor import UserId
from holdfast.database import Database
from holdfast.vault import PersonalVault, Unreadable, Vault

ANNA, OMAR = UserId.new(), UserId.new()


@pytest.fixture
def people() -> PersonalVault:
    return PersonalVault(Vault("a secret"))


async def test_a_text_is_read_back_for_its_person_only(database: Database, people: PersonalVault) -> None:
    async with database.transaction() as tx:
        sealed = await people.seal_for(tx, ANNA, "حقيبة حمراء")
        await people.seal_for(tx, OMAR, "something of his")
    async with database.transaction() as tx:
        assert await people.open_for(tx, ANNA, sealed) == "حقيبة حمراء"
        with pytest.raises(Unreadable):
            await people.open_for(tx, OMAR, sealed)


async def test_who_is_forgotten_can_never_be_read_again(database: Database, people: PersonalVault) -> None:
    async with database.transaction() as tx:
        sealed = await people.seal_for(tx, ANNA, "a red bag")
        await people.forget(tx, ANNA)
        with pytest.raises(Unreadable, match="destroyed"):
            await people.open_for(tx, ANNA, sealed)
        # Somebody who comes back gets another key, which opens nothing of before.
        await people.seal_for(tx, ANNA, "a blue bag")
        with pytest.raises(Unreadable, match="destroyed"):
            await people.open_for(tx, ANNA, sealed)


async def test_first_values_at_the_same_time_share_one_key(database: Database, people: PersonalVault) -> None:
    async def seal(word: str) -> bytes:
        async with database.transaction() as tx:
            return await people.seal_for(tx, ANNA, word)

    words = [f"word {number}" for number in range(10)]
    sealed = await asyncio.gather(*map(seal, words))
    async with database.transaction() as tx:
        assert [await people.open_for(tx, ANNA, each) for each in sealed] == words


async def test_keys_survive_the_rotation_of_the_secret(database: Database) -> None:
    async with database.transaction() as tx:
        sealed = await PersonalVault(Vault("the old secret")).seal_for(tx, ANNA, "a red bag")
        assert await PersonalVault(Vault("the new secret", "the old secret")).open_for(tx, ANNA, sealed) == "a red bag"
