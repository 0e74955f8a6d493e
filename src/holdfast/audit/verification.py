"""Walking the chain: whether the audit log is as it was sealed, and as it was published."""

from collections.abc import Sequence

from msgspec import Struct

from holdfast.audit import repository
from holdfast.audit.chain import BEGINNING, Broken, Tampering, compare, unsealed
from holdfast.audit.heads import PublishedHead
from holdfast.audit.models import AuditId, ChainHead, Seal
from holdfast.database import Database, Tx

SLICE = 2_000
SHOWN_MAX = 10


class Verdict(Struct, frozen=True):
    """What a walk found: how many rows it looked at, up to which head, the first rows that are broken, and how many are."""

    rows: int
    head: ChainHead
    broken: Sequence[Broken]
    count: int


class Contradicted(Struct, frozen=True):
    """A published head that is not in the chain. Up to ``agrees_up_to`` rows an earlier one still is."""

    published: PublishedHead
    agrees_up_to: int
    sealed: int

    def __str__(self) -> str:
        where = f"rows {self.agrees_up_to + 1:,} to {self.published.rows:,}"
        if self.sealed < self.published.rows:
            return (
                f"{self.published.rows:,} rows were sealed when the head of {self.published.sealed_at:%Y-%m-%d %H:%M:%S} UTC was published,"
                f" and now {self.sealed:,} are: row {self.sealed + 1:,} is the first that was removed together with its seal."
            )
        return f"The head of {self.published.sealed_at:%Y-%m-%d %H:%M:%S} UTC is not in the chain: of {where} some were sealed anew."


async def end_of_chain(database: Database) -> ChainHead:
    """Raises HeadGone."""
    async with database.reading() as tx:
        return await repository.read_head(tx)


async def verify(database: Database, after: int = 0) -> Verdict:
    """Compare every row after the seal with number ``after`` with its seal, up to where the chain ends now. Where that seal is gone,
    from the beginning. Raises HeadGone.
    """
    shown: list[Broken] = []
    moved: set[AuditId | None] = set()
    count = 0
    async with database.reading() as tx:
        head = await repository.read_head(tx)
        last = await _seal(tx, after) or BEGINNING
        began = last.number
        while last.number < head.number:
            seals = await repository.seals_after(tx, last.number, head.number, SLICE)
            end = seals[-1] if seals else head.seal
            rows = await repository.rows_between(tx, last.place, end.place)
            found = await _explained(tx, compare(last, seals, rows) if seals else unsealed(last, head.number, rows))
            # What was moved is missed in one slice and met in another.
            broken = [each for each in found if each.log_id not in moved]
            moved |= {each.log_id for each in found if each.tampering is Tampering.REORDERED}
            count += len(broken)
            shown += broken[: SHOWN_MAX - len(shown)]
            last = end
        at_the_end = await _at_the_end(tx, last, head)
    return Verdict(last.number - began, head, [*shown, *at_the_end][:SHOWN_MAX], count + len(at_the_end))


async def contradicted(database: Database, published: Sequence[PublishedHead]) -> Contradicted | None:
    """The first of some published heads that is not in the chain. What is before one that is, is as it was published. Raises HeadGone."""
    agrees_up_to = 0
    async with database.reading() as tx:
        head = await repository.read_head(tx)
        for each in sorted(published, key=lambda one: one.rows):
            seal = await _seal(tx, each.rows)
            if seal is None or seal.number > head.number or seal.hash.hex() != each.hash:
                return Contradicted(each, agrees_up_to, head.number)
            agrees_up_to = each.rows
    return None


async def _seal(tx: Tx, number: int) -> Seal | None:
    return BEGINNING if number == 0 else await repository.seal_numbered(tx, number)


async def _at_the_end(tx: Tx, last: Seal, head: ChainHead) -> list[Broken]:
    """What the head says of the last seal before it, and whether there are others behind it."""
    if last.number and last.hash != head.hash:
        return [Broken(Tampering.CHANGED, last.number, last.log_id, last.place)]
    beyond = await repository.seals_after(tx, head.number, head.number + 1, 1)
    # Seals and head are one commit: where the head has moved meanwhile, somebody has just sealed.
    if beyond and (await repository.read_head(tx)).number == head.number:
        return [Broken(Tampering.BEYOND, each.number, each.log_id, each.place) for each in beyond]
    return []


async def _explained(tx: Tx, broken: Sequence[Broken]) -> list[Broken]:
    """What only moved is neither removed nor added."""
    ids = [each.log_id for each in broken if each.log_id is not None and each.tampering in (Tampering.REMOVED, Tampering.ADDED)]
    if not ids:
        return list(broken)
    there = await repository.still_there(tx, ids)
    numbers = {seal.log_id: seal.number for seal in await repository.sealed_elsewhere(tx, ids)}
    return [
        Broken(Tampering.REORDERED, numbers[each.log_id], each.log_id, each.place)
        if each.log_id in there and each.log_id in numbers and each.tampering in (Tampering.REMOVED, Tampering.ADDED)
        else each
        for each in broken
    ]
