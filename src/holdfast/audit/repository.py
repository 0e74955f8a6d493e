"""Writing deeds down, in the commit of the deed."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from holdfast.audit.models import AuditId
from holdfast.common.actor import Actor
from holdfast.common.ids import Id
from holdfast.common.wire import stored
from holdfast.database import Tx, queries

SQL = queries(__file__)

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


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else stored(facts).decode()
