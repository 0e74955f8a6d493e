"""The audit log on the wire."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

from msgspec import Struct

from holdfast.audit.models import AuditEntry
from holdfast.common.actor import Role, UserId
from holdfast.common.errors import Invalid
from holdfast.common.ids import Id

ANY_ID = "^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$"
# JSON of whoever wrote the entry: each action has facts of its own.
Facts: TypeAlias = dict[str, Any]


class AuditEntryView(Struct, frozen=True, rename="camel"):
    """One deed: who did what to which thing, and what of it stood before and after."""

    id: str
    actor_id: str
    actor_role: Role
    action: str
    entity: str
    entity_id: str
    before: Facts | None
    after: Facts | None
    created_at: datetime

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            id=str(entry.id),
            actor_id=str(entry.actor_id),
            actor_role=entry.actor_role,
            action=entry.action,
            entity=entry.entity,
            entity_id=shown_id(entry.entity, entry.entity_id),
            before=entry.before,
            after=entry.after,
            created_at=entry.created_at,
        )


def shown_id(kind: str, value: UUID) -> str:
    """The id of a kind of thing as it looks outside."""
    known = _kinds().get(kind)
    return str(value) if known is None else str(known.of(value))


def read_any_id(text: str, path: str) -> UUID:
    """An id of whatever kind. Raises Invalid, naming ``path``."""
    try:
        return UserId.parse(f"{UserId.prefix}_{text.rpartition('_')[2]}")
    except ValueError:
        raise Invalid((path, "Expected an id such as bkg_01h455vb4pex5vsknk084sn02q.")) from None


def with_zone(moment: datetime | None, path: str) -> datetime | None:
    """An instant, which says where its clock stands. Raises Invalid, naming ``path``."""
    if moment is not None and moment.tzinfo is None:
        raise Invalid((path, "Expected an instant with its offset, such as 2026-05-01T12:00:00Z."))
    return moment


def _kinds() -> Mapping[str, type[Id]]:
    return {kind.kind: kind for kind in Id.__subclasses__()}
