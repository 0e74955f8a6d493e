"""Writing deeds down, in the commit of the deed, reading them, and the chain that seals them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import cast
from uuid import UUID

from msgspec import Struct

from holdfast.audit.chain import HeadGone
from holdfast.audit.models import AuditEntry, AuditId, ChainHead, LoggedRow, Seal
from holdfast.audit.personal import Personal, encrypted
from holdfast.common.actor import Actor, UserId
from holdfast.common.ids import Id, first_id_of
from holdfast.common.wire import stored
from holdfast.database import Tx, queries
from holdfast.events.models import LogPosition
from holdfast.vault import PersonalVault

SQL = queries(__file__)

# The clocks of those who make ids and of the database, which says when an entry was made, never differ by more.
CLOCKS_DIFFER = timedelta(hours=1)


Facts = Mapping[str, object]


class Deed(Struct, frozen=True):
    """Who did what to which thing, and what of it stood before and after: ids, states and amounts, never names, phones or free text.

    Where an auditor needs one of those, it is ``personal``.
    """

    actor: Actor
    action: str
    entity_id: Id
    before: Facts | None = None
    after: Facts | None = None
    personal: Personal | None = None


async def record(tx: Tx, deeds: Sequence[Deed], vault: PersonalVault | None = None) -> None:
    """Append deeds to the audit log, in the transaction that does them. ``vault`` encrypts what of them is personal."""
    if not deeds:
        return
    kept = [(deed.before, deed.after) if deed.personal is None else await _encrypted(tx, vault, deed, deed.personal) for deed in deeds]
    await tx.run(
        SQL.record,
        ids=[AuditId.new() for _ in deeds],
        actor_ids=[deed.actor.id for deed in deeds],
        actor_roles=[deed.actor.role.value for deed in deeds],
        actions=[deed.action for deed in deeds],
        entities=[deed.entity_id.kind for deed in deeds],
        entity_ids=[deed.entity_id for deed in deeds],
        befores=[_json(before) for before, _ in kept],
        afters=[_json(after) for _, after in kept],
    )


async def _encrypted(tx: Tx, vault: PersonalVault | None, deed: Deed, personal: Personal) -> tuple[Facts | None, Facts | None]:
    if vault is None:
        raise TypeError(f"{deed.action} keeps personal values, and nobody says how to encrypt them")
    before = {**(deed.before or {}), **await encrypted(tx, vault, personal.person_id, personal.before)}
    after = {**(deed.after or {}), **await encrypted(tx, vault, personal.person_id, personal.after)}
    return before or None, after or None


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


async def lock_head(tx: Tx) -> ChainHead | None:
    """None while another transaction has it."""
    return await tx.first(SQL.lock_head, ChainHead)


async def read_head(tx: Tx) -> ChainHead:
    """Raises HeadGone."""
    found = await tx.first(SQL.read_head, ChainHead)
    if found is None:
        raise HeadGone
    return found


async def to_seal(tx: Tx, after: LogPosition, limit: int) -> list[LoggedRow]:
    """The next rows that nothing can come before any more."""
    return await tx.all(SQL.to_seal, LoggedRow, **_place(after), limit=limit)


async def add_seals(tx: Tx, seals: Sequence[Seal]) -> None:
    """Append seals, and move the head, which is locked, to the last of them."""
    await tx.run(
        SQL.add_seals,
        numbers=[seal.number for seal in seals],
        log_ids=[seal.log_id for seal in seals],
        epochs=[seal.epoch for seal in seals],
        xids=[str(seal.xid) for seal in seals],
        positions=[seal.position for seal in seals],
        hashes=[seal.hash for seal in seals],
    )
    last = seals[-1]
    await tx.run(SQL.move_head, number=last.number, hash=last.hash, **_place(last.place))


async def seals_after(tx: Tx, number: int, up_to: int, limit: int) -> list[Seal]:
    return await tx.all(SQL.seals_after, Seal, after=number, up_to=up_to, limit=limit)


async def seal_numbered(tx: Tx, number: int) -> Seal | None:
    return await tx.first(SQL.seal_numbered, Seal, number=number)


async def rows_between(tx: Tx, after: LogPosition, last: LogPosition) -> list[LoggedRow]:
    """Every row after a place and up to ``last``."""
    upper = {f"last_{name}": value for name, value in _place(last).items()}
    return await tx.all(SQL.rows_between, LoggedRow, **_place(after), **upper)


async def still_there(tx: Tx, ids: Sequence[AuditId]) -> set[AuditId]:
    """Those that are in the log, wherever they stand."""
    return {AuditId.of(row["id"]) for row in await tx.rows(SQL.still_there, ids=list(ids))}


async def sealed_elsewhere(tx: Tx, ids: Sequence[AuditId]) -> list[Seal]:
    """The seals of rows, wherever they stand. Slow: for when something is wrong."""
    return await tx.all(SQL.sealed_elsewhere, Seal, ids=list(ids))


async def business_day(tx: Tx) -> date:
    """Today, in UTC."""
    return cast(date, await tx.value(SQL.business_day))


def _place(place: LogPosition) -> dict[str, object]:
    return {"epoch": place.epoch, "xid": str(place.xid), "position": place.position}


def _milliseconds(moment: datetime, later: timedelta) -> int:
    return min(max(int((moment.timestamp() + later.total_seconds()) * 1000), 0), (1 << 48) - 1)


def _json(facts: Facts | None) -> str | None:
    return None if facts is None else stored(facts).decode()
