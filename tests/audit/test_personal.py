"""Personal values in the audit log: an auditor reads them, until their person is forgotten; and the chain holds all the while."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text
from tests.audit.log import LanternId, seal

from holdfast import audit
from holdfast.audit import Deed, Personal, repository
from holdfast.audit.repository import Sought
from holdfast.audit.service import AuditService
from holdfast.audit.verification import verify
from holdfast.common.actor import SYSTEM, Actor, Role, UserId
from holdfast.common.paging import PageRequest
from holdfast.database import Database
from holdfast.vault import PersonalVault, Vault

VAULT = PersonalVault(Vault("a secret"))
ADMIN = Actor(UserId.new(), Role.ADMIN)
MONA, OMAR = UserId.new(), UserId.new()


async def rename(database: Database, person: UserId, before: str | None, after: str | None) -> None:
    async with database.transaction() as tx:
        deed = Deed(
            SYSTEM, "lantern.named", LanternId.new(), {"state": "LIT"}, personal=Personal(person, {"name": before}, {"name": after})
        )
        await audit.record(tx, [deed, Deed(SYSTEM, "lantern.lit", LanternId.new())], VAULT)


async def seen(database: Database, vault: PersonalVault = VAULT) -> list[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]:
    page = await AuditService(database, vault).list_entries(ADMIN, Sought(action="lantern.named"), PageRequest())
    return [(entry.before, entry.after) for entry in reversed(page.rows)]


def named(person: UserId, name: str | None) -> dict[str, object]:
    return {"personal": {"person": str(person), "name": name}}


async def test_an_auditor_reads_what_nobody_else_can(database: Database, owner: Database) -> None:
    await rename(database, MONA, None, "منى علي")
    assert await seen(database) == [({"state": "LIT", **named(MONA, None)}, named(MONA, "منى علي"))]
    async with owner.reading() as tx:
        stored = str(await tx.rows(text("SELECT before::text, after::text FROM audit_logs")))
    assert "منى" not in stored
    assert str(MONA) in stored


async def test_who_is_forgotten_is_erased_and_the_chain_holds(database: Database) -> None:
    await rename(database, MONA, None, "Mona")
    await rename(database, OMAR, None, "Omar")
    await seal(database)
    sealed = (await verify(database)).head
    async with database.transaction() as tx:
        await VAULT.forget(tx, MONA)
    assert [after for _, after in await seen(database)] == [named(MONA, "erased"), named(OMAR, "Omar")]
    # Somebody who comes back has another key.
    await rename(database, MONA, None, "Mona again")
    assert [after for _, after in await seen(database)] == [named(MONA, "erased"), named(OMAR, "Omar"), named(MONA, "Mona again")]
    await seal(database)
    verdict = await verify(database)
    assert verdict.count == 0
    async with database.reading() as tx:
        seal_then = await repository.seal_numbered(tx, sealed.number)
    assert seal_then is not None
    assert seal_then.hash == sealed.hash


async def test_a_value_that_cannot_be_read_is_not_called_erased(database: Database) -> None:
    await rename(database, MONA, None, "Mona")
    assert [after for _, after in await seen(database, PersonalVault(Vault("another secret")))] == [named(MONA, "unreadable")]


async def test_a_personal_value_is_never_kept_readable(database: Database) -> None:
    """Whoever forgets the vault is told, and nothing is written."""
    async with database.transaction() as tx:
        with pytest.raises(TypeError, match="nobody says how to encrypt"):
            await audit.record(tx, [Deed(SYSTEM, "lantern.named", LanternId.new(), personal=Personal(MONA, after={"name": "Mona"}))])
        assert await tx.value(text("SELECT count(*) FROM audit_logs")) == 0
