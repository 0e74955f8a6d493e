"""Compares gateways with our books, books what settlement files say that gateways kept and sent, and tells people what stays different.

Nothing is ever made equal here: another amount is a difference until somebody has cleared it up.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from holdfast import audit, events, idempotency, ledger
from holdfast.audit import Deed
from holdfast.clearing import repository
from holdfast.clearing.comparing import compare, miscounted
from holdfast.clearing.errors import DifferenceResolvedAlready, DifferenceUnknown
from holdfast.clearing.events import DifferenceOverdue
from holdfast.clearing.models import (
    Difference,
    DifferenceId,
    DifferenceKind,
    Found,
    Line,
    Moved,
    MovementKind,
    SettlementLine,
    Source,
)
from holdfast.common.actor import Actor
from holdfast.common.errors import Outdated
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import Account, AccountKind, Entry, Purpose, Transaction
from holdfast.payments.errors import GatewayUnknown
from holdfast.payments.gateway import Gateway, GatewayDown, Gateways, SettledItem, SettledKind

GRACE = timedelta(minutes=10)
"""What moved so lately may be known to one side only."""

LOOKS_BACK = timedelta(days=3)
SETTLED_WITHIN = timedelta(days=7)
FILES_LOOK_BACK = timedelta(days=90)
LINES_AT_ONCE = 500
ANNOUNCED_AT_ONCE = 100
OVERDUE_AFTER = timedelta(days=1)

_LISTED = (MovementKind.CAPTURE, MovementKind.REFUND)
_SETTLED = (MovementKind.CAPTURE, MovementKind.REFUND, MovementKind.DISPUTE)

log = structlog.get_logger()


class Clearing:
    """The reconciler: what gateways say, beside what we say."""

    def __init__(
        self, database: Database, gateways: Gateways, *, grace: timedelta = GRACE, overdue_after: timedelta = OVERDUE_AFTER
    ) -> None:
        """``overdue_after``: from what age on a difference is announced, and counted as overdue."""
        self._database = database
        self._gateways = gateways
        self._grace = grace
        self._overdue_after = overdue_after

    async def watch(self) -> None:
        """Compare every gateway's list with our books, and announce what has been different for too long. A job of the worker."""
        for name in self._gateways.names():
            try:
                await self.compare_list(name)
            except GatewayDown as error:
                log.warning("gateway_not_compared", gateway=name, reason=str(error))
        await self.announce_overdue()

    async def compare_list(self, gateway: str, since: datetime | None = None) -> list[Found]:
        """Compare what a gateway lists as moved with our books: from a time on, else some days, and whatever is still different.

        Raises GatewayUnknown, GatewayDown.
        """
        wired = self._wired(gateway)
        async with self._database.transaction() as tx:
            from_ = await self._from(tx, gateway, Source.LIST, since, LOOKS_BACK)
        # The gateway's clock and the time at which we heard of it differ: it is asked for a day more than is judged.
        items = [item async for item in wired.list_settled(from_ - timedelta(days=1))]
        return await self._compare_list(gateway, from_, items)

    async def compare_file(self, gateway: str, since: datetime | None = None) -> list[Found]:
        """Compare what a gateway has settled by files with our books. Raises GatewayUnknown."""
        self._wired(gateway)
        return await self._compare_file(gateway, since)

    async def import_lines(self, actor: Actor, gateway: str, lines: Sequence[Line]) -> list[Found]:
        """Take in a settlement file: what the gateway kept and what it sent to our bank is booked, once for each line, however often it
        is taken in. Then it is compared. Raises GatewayUnknown.
        """
        self._wired(gateway)
        for start in range(0, len(lines), LINES_AT_ONCE):
            await self._import(actor, gateway, lines[start : start + LINES_AT_ONCE])
        return await self._compare_file(gateway, None)

    @retried
    async def announce_overdue(self) -> int:
        """Tell of differences that nobody has cleared up in time, each once; returns how many they were."""
        async with self._database.transaction() as tx:
            overdue = await repository.announce_overdue(tx, age=self._overdue_after, limit=ANNOUNCED_AT_ONCE)
            await events.publish(
                tx,
                [DifferenceOverdue(version=each.version, difference_id=each.id, gateway=each.gateway, kind=each.kind) for each in overdue],
            )
        for each in overdue:
            log.error("difference_overdue", difference_id=str(each.id), gateway=each.gateway, kind=each.kind.value)
        return len(overdue)

    async def count_overdue(self) -> int:
        """How many differences have been open for too long."""
        async with self._database.reading() as tx:
            return await repository.count_overdue(tx, age=self._overdue_after)

    async def list_all(
        self, actor: Actor, page: PageRequest, *, gateway: str | None = None, with_resolved: bool = False
    ) -> Page[Difference]:
        """Differences, newest first, for an admin. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            rows = await repository.list_differences(tx, gateway, page.after(DifferenceId), page.limit + 1, with_resolved=with_resolved)
            found = Page.cut(rows, page, lambda difference: encode_cursor(str(difference.id)))
            await audit.record(tx, [Deed(actor, "difference.viewed", difference.id) for difference in found.rows])
        return found

    @retried
    async def resolve(self, actor: Actor, key: IdempotencyKey | None, difference_id: DifferenceId, version: int, note: str) -> Difference:
        """An admin has cleared a difference up, and says how: it does not open again. No money is moved by that.

        Raises DifferenceUnknown, Outdated, DifferenceResolvedAlready.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Difference) as once:
            if once.replay:
                return once.replay
            before = await repository.lock_difference(tx, difference_id)
            if before is None:
                raise DifferenceUnknown
            if before.version != version:
                raise Outdated
            if before.resolved_at is not None:
                raise DifferenceResolvedAlready
            after = await repository.resolve(tx, difference_id, actor.id, note)
            await audit.record(tx, [Deed(actor, "difference.resolved", after.id, before=_facts(before), after=_facts(after))])
            return once.keep(after)

    @retried
    async def _compare_list(self, gateway: str, since: datetime, items: Sequence[SettledItem]) -> list[Found]:
        async with self._database.transaction() as tx:
            ours = await repository.booked(tx, gateway, _LISTED, since, [item.id for item in items], grace=self._grace)
            due_before = await repository.business_now(tx) - self._grace
            found = compare(ours, [_moved(item, is_due=since <= item.at < due_before) for item in items])
            await self._write(tx, gateway, Source.LIST, found)
        return found

    @retried
    async def _compare_file(self, gateway: str, since: datetime | None) -> list[Found]:
        async with self._database.transaction() as tx:
            from_ = await self._from(tx, gateway, Source.FILE, since, FILES_LOOK_BACK)
            lines = await repository.lines_since(tx, gateway, from_)
            settled = [line for line in lines if line.kind in _SETTLED]
            ids = [line.subject_id for line in settled if line.subject_id is not None]
            # Only what the file names: what it does not name yet is late after a while, not missing.
            now = await repository.business_now(tx)
            ours = await repository.booked(tx, gateway, _SETTLED, now, ids, grace=self._grace)
            late = await repository.unsettled(tx, gateway, from_, within=SETTLED_WITHIN)
            found = [
                *compare([each for each in ours if each.subject in {str(i) for i in ids}], [_settled(line) for line in settled]),
                *miscounted(lines),
                *(Found(DifferenceKind.LATE, each.kind, each.subject, each.currency, ours=each.minor) for each in late),
            ]
            await self._write(tx, gateway, Source.FILE, found)
        return found

    @retried
    async def _import(self, actor: Actor, gateway: str, lines: Sequence[Line]) -> None:
        async with self._database.transaction() as tx:
            written = await repository.insert_lines(tx, gateway, lines)
            await ledger.post(tx, [posting for line in written for posting in _postings(line)])
            await audit.record(tx, [Deed(actor, "settlement_line.imported", line.id, after=_line_facts(line)) for line in written])

    async def _write(self, tx: Tx, gateway: str, source: Source, found: Sequence[Found]) -> None:
        await repository.see_differences(tx, gateway, source, found)
        gone = await repository.resolve_gone(tx, gateway, source, found)
        if found or gone:
            log.info("gateway_compared", gateway=gateway, source=source.value, differences=len(found), gone=len(gone))

    async def _from(self, tx: Tx, gateway: str, source: Source, since: datetime | None, looks_back: timedelta) -> datetime:
        """From when on to compare: far enough back that everything that is still different is looked at again."""
        wanted = since or await repository.business_now(tx) - looks_back
        oldest = await repository.open_since(tx, gateway, source)
        return min(wanted, oldest - looks_back) if oldest else wanted

    def _wired(self, gateway: str) -> Gateway:
        if gateway not in self._gateways:
            raise GatewayUnknown
        return self._gateways[gateway]


def _moved(item: SettledItem, *, is_due: bool) -> Moved:
    kind = MovementKind(item.kind.value)
    sign = 1 if item.kind is SettledKind.CAPTURE else -1
    return Moved(kind, str(UUID(int=item.id.int)), item.amount.currency, sign * item.amount.minor, is_due)


def _settled(line: SettlementLine) -> Moved:
    return Moved(line.kind, line.subject, line.currency, line.gross)


def _postings(line: SettlementLine) -> list[Transaction]:
    """What a gateway kept is its cost, and what it sent is in our bank: with both, its clearing account returns to zero."""
    clearing, fee, net = Account.gateway(line.gateway), Amount(line.currency, line.fee), Amount(line.currency, line.net)
    postings = []
    if line.fee:
        kept = (Entry(clearing, fee), Entry(Account(AccountKind.GATEWAY_COSTS, line.gateway), -fee))
        postings.append(Transaction(line.id, Purpose.GATEWAY_FEE, line.created_at, kept))
    if line.kind is MovementKind.PAYOUT:
        sent = (Entry(clearing, -net), Entry(Account.bank(), net))
        postings.append(Transaction(line.id, Purpose.GATEWAY_PAYOUT, line.created_at, sent))
    return postings


def _line_facts(line: SettlementLine) -> dict[str, object]:
    return {"gateway": line.gateway, "kind": line.kind.value, "net": line.net, "fee": line.fee, "currency": line.currency}


def _facts(difference: Difference) -> dict[str, object]:
    """What the audit log keeps: never the words of the note."""
    return {
        "gateway": difference.gateway,
        "kind": difference.kind.value,
        "subject": difference.subject,
        "is_resolved": difference.resolved_at is not None,
    }
