"""Writing deeds down, in the commit of the deed, and reading them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from holdfast.audit.models import AuditEntry, AuditId
from holdfast.common.actor import Actor, UserId
from holdfast.common.ids import Id, first_id_of
from holdfast.common.wire import stored
from holdfast.database import Tx, queries

SQL = queries(__file__)

# The clocks of those who make ids and of the database, which says when an entry was made, never differ by more.
CLOCKS_DIFFER = timedelta(hours=1)

Facts = Mapping[str, object]


class Deed(Struct, frozen=True):
    """Who did what to which thing, and what of it stood before and after: ids, states and amounts, never names, phones or free text."""

    actor: Actor
    action: str
    entity_id: Id
    before: Facts | None = None
    after: Facts | None = None


async def record(tx: Tx, deeds: Sequence[Deed]) -> None:
    """Append deeds to the audit log, in the transaction that does them."""
    if not deeds:
        return
    await tx.run(
        SQL.record,
        ids=[AuditId.new() for _ in deeds],
        actor_ids=[deed.actor.id for deed in deeds],
        actor_roles=[deed.actor.role.value for deed in deeds],
        actions=[deed.action for deed in deeds],
        entities=[deed.entity_id.kind for deed in deeds],
        entity_ids=[deed.entity_id for deed in deeds],
        befores=[_json(deed.before) for deed in deeds],
        afters=[_json(deed.after) for deed in deeds],
    )


class Sought(Struct, frozen=True):
    """Which entries of the log are wanted; None is any. ``since`` is the first instant that counts, ``until`` the first that does not."""

    entity: str | None = None
    entity_id: UUID | None = None
    actor_id: UserId | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def page(tx: Tx, sought: Sought, before: AuditId | None, limit: int) -> list[AuditEntry]:
    """Entries newest first, after the one with the id ``before``."""
    least = first_id_of(_milliseconds(sought.since, -CLOCKS_DIFFER)) if sought.since else UUID(int=0)
    most = first_id_of(_milliseconds(sought.until, CLOCKS_DIFFER)) if sought.until else UUID(int=(1 << 128) - 1)
    return await tx.all(
        SQL.page,
        AuditEntry,
        before=most if before is None else min(most, before),
        least=least,
        entity=sought.entity,
        entity_id=sought.entity_id,
        actor_id=sought.actor_id,
        action=sought.action,
        since=sought.since,
        until=sought.until,
        limit=limit,
    )


def _milliseconds(moment: datetime, later: timedelta) -> int:
    return min(max(int((moment.timestamp() + later.total_seconds()) * 1000), 0), (1 << 48) - 1)


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else stored(facts).decode()
