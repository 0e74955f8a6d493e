"""Who did what, for admins. That they looked is written down too."""

from holdfast.audit import repository
from holdfast.audit.models import AuditEntry, AuditId
from holdfast.audit.repository import Deed, Sought, record
from holdfast.common.actor import Actor
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, retried


class AuditService:
    def __init__(self, database: Database) -> None:
        self._database = database

    @retried
    async def list_entries(self, actor: Actor, sought: Sought, request: PageRequest) -> Page[AuditEntry]:
        """A page of the log, newest first."""
        before = request.after(AuditId)
        async with self._database.transaction() as tx:
            found = await repository.page(tx, sought, before, request.limit + 1)
            page = Page.cut(found, request, lambda entry: encode_cursor(str(entry.id)))
            if page.rows:
                seen = {"entries": len(page.rows), "oldest": str(page.rows[-1].id)}
                await record(tx, [Deed(actor, "audit.viewed", page.rows[0].id, after=seen)])
            return page
