"""Who did what, for admins. That they looked is written down too."""

from msgspec import structs

from holdfast.audit import repository
from holdfast.audit.models import AuditEntry, AuditId
from holdfast.audit.personal import readable
from holdfast.audit.repository import Deed, Sought, record
from holdfast.common.actor import Actor
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.vault import PersonalVault


class AuditService:
    def __init__(self, database: Database, vault: PersonalVault) -> None:
        self._database = database
        self._vault = vault

    @retried
    async def list_entries(self, actor: Actor, sought: Sought, request: PageRequest) -> Page[AuditEntry]:
        """A page of the log, newest first. Personal values are decrypted for whose key there still is."""
        before = request.after(AuditId)
        async with self._database.transaction() as tx:
            found = await repository.page(tx, sought, before, request.limit + 1)
            page = Page.cut(found, request, lambda entry: encode_cursor(str(entry.id)))
            if page.rows:
                seen = {"entries": len(page.rows), "oldest": str(page.rows[-1].id)}
                await record(tx, [Deed(actor, "audit.viewed", page.rows[0].id, after=seen)])
            return Page([await self._readable(tx, entry) for entry in page.rows], page.next_cursor)

    async def _readable(self, tx: Tx, entry: AuditEntry) -> AuditEntry:
        return structs.replace(
            entry,
            before=await readable(tx, self._vault, entry.before),
            after=await readable(tx, self._vault, entry.after),
        )
