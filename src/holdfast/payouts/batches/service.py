"""Sending payouts to the bank together, and hearing what became of them.

Whoever changes a batch locks it, then its payouts, then their payees. What a bank must know about them is in the clear only while a
file is made.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from msgspec import Struct

from holdfast import audit, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid, NotFound
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts import moves
from holdfast.payouts import repository as payouts_repository
from holdfast.payouts.accounts import repository as accounts
from holdfast.payouts.accounts.models import Destination, SealedAccount
from holdfast.payouts.accounts.service import open_account
from holdfast.payouts.batches import repository
from holdfast.payouts.batches.answers import Answer, Said, Word
from holdfast.payouts.batches.errors import (
    AccountsChanged,
    AnswerToAnother,
    BatchUnknown,
    FileDiffers,
    NoBankOfOurs,
    OwnBatch,
    PayeesNotReady,
    SeveralCurrencies,
)
from holdfast.payouts.batches.files import FileKind, bank_file
from holdfast.payouts.batches.models import Batch, BatchItem, Order, Transfer
from holdfast.payouts.batches.states import BATCH, BatchState
from holdfast.payouts.errors import PayoutUnknown
from holdfast.payouts.models import Payout, PayoutBatchId, PayoutId
from holdfast.payouts.states import PAYOUT, PayoutState
from holdfast.vault import PersonalVault, Unreadable


class Heard(Struct, frozen=True):
    """What a bank's answer changed. ``known`` were as the bank says already."""

    paid: int
    returned: int
    known: int
    pending: int


class BatchService:
    """The use cases of batches."""

    def __init__(self, database: Database, vault: PersonalVault, *, debtor: Destination | None, zone: str) -> None:
        """``debtor`` is our own account, which payouts are paid from; ``zone`` is where a day begins."""
        self._database = database
        self._vault = vault
        self._debtor = debtor
        self._zone = zone

    @retried
    async def make(self, actor: Actor, key: IdempotencyKey, payout_ids: Sequence[PayoutId]) -> Batch:
        """An admin puts approved payouts of one currency in a batch.

        Raises PayoutUnknown, OwnPayout, SeveralCurrencies, PayeesNotReady, NoBankOfOurs, and the refusals of a payout's machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Batch) as once:
            if once.replay:
                return once.replay
            if self._debtor is None:
                raise NoBankOfOurs
            locked = await payouts_repository.lock(tx, payout_ids)
            if len(locked) < len(set(payout_ids)):
                raise PayoutUnknown
            payouts = list(locked.values())
            for payout in payouts:
                moves.forbid_own(actor, payout)
                PAYOUT.move(payout.status, to=PayoutState.IN_BATCH)
            currencies = sorted({payout.currency for payout in payouts})
            if len(currencies) > 1:
                raise SeveralCurrencies(currencies=", ".join(currencies))
            present = await accounts.present_of(tx, sorted({payout.driver_id for payout in payouts}), locked=True)
            transfers = await self._transfers(tx, [(payout.id, payout.due, present.get(payout.driver_id)) for payout in payouts])
            moment = await repository.moment(tx, self._zone)
            total = Amount(currencies[0], sum(payout.due.minor for payout in payouts))
            order = Order(PayoutBatchId.new(), moment.now, moment.today, self._debtor, total)
            items = [BatchItem(payout.id, present[payout.driver_id].id, payout.due.minor) for payout in payouts]
            sums = {kind: sha256(bank_file(kind, order, transfers)).digest() for kind in FileKind}
            made = await repository.insert(tx, order, items, actor.id, csv_sha256=sums[FileKind.CSV], xml_sha256=sums[FileKind.XML])
            await moves.put_in_batch(tx, actor, payouts, made.id)
            await audit.record(tx, [Deed(actor, "payout_batch.made", made.id, after=_facts(made))])
            return once.keep(made)

    @retried
    async def approve(self, actor: Actor, key: IdempotencyKey, batch_id: PayoutBatchId) -> Batch:
        """Another admin lets a batch go to the bank. Raises BatchUnknown, OwnBatch, AccountsChanged, and the refusals of the machine."""
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Batch) as once:
            if once.replay:
                return once.replay
            before = await self._locked(tx, batch_id)
            items = await repository.items_of(tx, batch_id)
            payouts = await payouts_repository.lock(tx, [item.payout_id for item in items])
            forbid_own(actor, before, list(payouts.values()))
            BATCH.move(before.status, to=BatchState.APPROVED)
            present = await accounts.present_of(tx, sorted({payout.driver_id for payout in payouts.values()}), locked=True)
            if any(present[payouts[item.payout_id].driver_id].id != item.account_id for item in items):
                raise AccountsChanged
            approved = await repository.approve(tx, batch_id, actor.id)
            await audit.record(tx, [Deed(actor, "payout_batch.approved", batch_id, before=_facts(before), after=_facts(approved))])
            return once.keep(approved)

    @retried
    async def cancel(self, actor: Actor, key: IdempotencyKey, batch_id: PayoutBatchId) -> Batch:
        """An admin stops a batch that was not approved: its payouts can go into another one.

        Raises BatchUnknown, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Batch) as once:
            if once.replay:
                return once.replay
            before = await self._locked(tx, batch_id)
            BATCH.move(before.status, to=BatchState.CANCELLED)
            items = await repository.items_of(tx, batch_id)
            payouts = await payouts_repository.lock(tx, [item.payout_id for item in items])
            cancelled = await repository.cancel(tx, batch_id, actor.id)
            await moves.take_out_of_batch(tx, actor, list(payouts.values()))
            await audit.record(tx, [Deed(actor, "payout_batch.cancelled", batch_id, before=_facts(before), after=_facts(cancelled))])
            return once.keep(cancelled)

    @retried
    async def download(self, actor: Actor, batch_id: PayoutBatchId, kind: FileKind) -> bytes:
        """The file of an approved batch, made anew from what was committed and the same as the one that was approved. Audited.

        Raises BatchUnknown, BatchNotApproved, BatchCancelledAlready, FileDiffers.
        """
        async with self._database.transaction() as tx:
            batch = await repository.get(tx, batch_id)
            if batch is None:
                raise BatchUnknown
            _require_approved(batch)
            items = await repository.items_of(tx, batch_id)
            kept = await accounts.get(tx, [item.account_id for item in items])
            try:
                transfers = [
                    Transfer(
                        item.payout_id, Amount(batch.currency, item.amount), await open_account(tx, self._vault, kept[item.account_id])
                    )
                    for item in items
                ]
            except Unreadable as error:
                raise FileDiffers from error
            made = bank_file(kind, batch.order, transfers)
            digest = sha256(made).digest()
            if digest != (batch.csv_sha256 if kind is FileKind.CSV else batch.xml_sha256):
                raise FileDiffers
            await audit.record(tx, [Deed(actor, "payout_batch.downloaded", batch_id, after={"file": kind.value, "sha256": digest.hex()})])
            return made

    @retried
    async def hear(self, actor: Actor, key: IdempotencyKey, batch_id: PayoutBatchId, answer: Answer) -> Heard:
        """Make a bank's answer true: all of it, or nothing where a line of it cannot be.

        Hearing the same again changes nothing. Raises BatchUnknown, BatchNotApproved, BatchCancelledAlready, AnswerToAnother, and
        Invalid, which names the lines.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Heard) as once:
            if once.replay:
                return once.replay
            batch = await self._locked(tx, batch_id)
            _require_approved(batch)
            if answer.message_id is not None and answer.message_id != str(batch_id):
                raise AnswerToAnother
            items = await repository.items_of(tx, batch_id)
            payouts = await payouts_repository.lock(tx, [item.payout_id for item in items])
            said = spoken_of(answer, payouts)
            paid = [payouts[payout_id] for payout_id, each in said.items() if _is_news(payouts[payout_id], each, Word.PAID)]
            returned = [payouts[payout_id] for payout_id, each in said.items() if _is_news(payouts[payout_id], each, Word.RETURNED)]
            await moves.pay(tx, actor, paid)
            await moves.give_back(tx, actor, returned, {payout.id: said[payout.id].reason for payout in returned})
            pending = sum(each.word is Word.PENDING for each in said.values())
            heard = Heard(len(paid), len(returned), len(said) - len(paid) - len(returned) - pending, pending)
            facts = {"paid": heard.paid, "returned": heard.returned, "known": heard.known, "pending": heard.pending}
            await audit.record(tx, [Deed(actor, "payout_batch.answered", batch_id, after=facts)])
            return once.keep(heard)

    async def list_all(self, page: PageRequest) -> Page[Batch]:
        """Every batch, newest first, for admins."""
        async with self._database.reading() as tx:
            rows = await repository.list_batches(tx, page.after(PayoutBatchId), page.limit + 1)
        return Page.cut(rows, page, lambda batch: encode_cursor(str(batch.id)))

    async def read(self, batch_id: PayoutBatchId) -> tuple[Batch, Sequence[BatchItem]]:
        """A batch and what is in it. Raises BatchUnknown."""
        async with self._database.reading() as tx:
            batch = await repository.get(tx, batch_id)
            if batch is None:
                raise BatchUnknown
            return batch, await repository.items_of(tx, batch_id)

    async def _locked(self, tx: Tx, batch_id: PayoutBatchId) -> Batch:
        found = await repository.lock(tx, batch_id)
        if found is None:
            raise BatchUnknown
        return found

    async def _transfers(self, tx: Tx, wanted: Sequence[tuple[PayoutId, Amount, SealedAccount | None]]) -> list[Transfer]:
        transfers: list[Transfer] = []
        unready: list[PayoutId] = []
        for payout_id, amount, account in wanted:
            try:
                if account is None or not account.is_usable:
                    raise Unreadable("no account that money may go to")
                transfers.append(Transfer(payout_id, amount, await open_account(tx, self._vault, account)))
            except Unreadable:
                unready.append(payout_id)
        if unready:
            raise PayeesNotReady(payout_ids=", ".join(str(payout_id) for payout_id in unready))
        return transfers


def forbid_own(actor: Actor, batch: Batch, payouts: Sequence[Payout]) -> None:
    """Four eyes. Raises OwnBatch."""
    if actor.id == batch.made_by_admin or any(actor.id in (payout.requested_by, payout.driver_id) for payout in payouts):
        raise OwnBatch


def spoken_of(answer: Answer, payouts: Mapping[PayoutId, Payout]) -> Mapping[PayoutId, Said]:
    """What is said of each payout of a batch. Raises Invalid, with each line that cannot be true."""
    said: dict[PayoutId, Said] = {}
    faults: list[tuple[str, str]] = []
    for each in answer.said:
        payout = payouts.get(found) if (found := _payout_id(each.end_to_end_id)) else None
        if payout is None:
            faults.append((f"line {each.line}", "This batch has no payout with this end-to-end id."))
        elif payout.id in said:
            faults.append((f"line {each.line}", "This end-to-end id stands on an earlier line already."))
        elif each.word is None:
            faults.append((f"line {each.line}", "This status is not known. Send PAID, RETURNED or PENDING, or a code of ISO 20022."))
        elif each.word is Word.PAID and payout.status is PayoutState.RETURNED:
            faults.append((f"line {each.line}", "This payout was returned, and its money is owed to the driver again."))
        else:
            said[payout.id] = each
    if faults:
        raise Invalid(*faults)
    if answer.all is not None:
        said |= {payout_id: answer.all for payout_id in payouts if payout_id not in said}
    return said


def _payout_id(text: str) -> PayoutId | None:
    try:
        return PayoutId.parse(text)
    except (ValueError, NotFound):
        return None


def _is_news(payout: Payout, said: Said, word: Word) -> bool:
    return said.word is word and payout.status is not PayoutState(word.value)


def _require_approved(batch: Batch) -> None:
    if batch.status is not BatchState.APPROVED:
        raise BATCH.refusals[batch.status]


def _facts(batch: Batch) -> dict[str, object]:
    return {
        "status": batch.status.value,
        "payouts": batch.payouts,
        "total": batch.total_amount,
        "currency": batch.currency,
        "csv_sha256": batch.csv_sha256.hex(),
        "xml_sha256": batch.xml_sha256.hex(),
    }
