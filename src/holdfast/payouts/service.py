"""Asking for payouts, and deciding on them.

Whoever changes a payout locks its session first, so that what is read after that stays true.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from holdfast import audit, events, idempotency, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor, UserId
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import PAYOUTS_DUE, Account, Entry, Purpose, Transaction
from holdfast.payments import Takings
from holdfast.payouts import repository
from holdfast.payouts.errors import (
    NothingToPayOut,
    OwnPayout,
    PayoutAskedAlready,
    PayoutUnknown,
    SessionNotClosed,
    SessionNotReady,
)
from holdfast.payouts.events import PayoutApproved, PayoutEvent, PayoutPaid, PayoutRejected, PayoutRequested
from holdfast.payouts.models import Payout, PayoutId
from holdfast.payouts.states import PAYOUT, PayoutState
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.models import SessionId
from holdfast.sessions.states import SessionState

READY = (SessionState.FULL, SessionState.CLOSED)


class PaidSession(Struct, frozen=True):
    """A session, as far as payouts need to know it."""

    driver_id: UserId
    status: SessionState


class SessionMoney(Protocol):
    """What payouts ask of sessions and bookings."""

    async def session_of(self, tx: Tx, session_id: SessionId, *, locked: bool) -> PaidSession | None:
        """A session; ``locked`` keeps its state as it is until the commit."""
        ...

    async def takings_of(self, tx: Tx, session_id: SessionId, *, locked: bool) -> Sequence[Takings]:
        """What its bookings brought in, by currency; ``locked`` keeps that until the commit (``payments.takings``)."""
        ...


class PayoutService:
    """The use cases of payouts."""

    def __init__(self, database: Database, sessions: SessionMoney) -> None:
        self._database = database
        self._sessions = sessions

    @retried
    async def ask(self, actor: Actor, key: IdempotencyKey, session_id: SessionId) -> Payout:
        """A driver asks to be paid for a session that is full or closed.

        Raises SessionUnknown (also for another's session), SessionNotReady, NothingToPayOut, PayoutAskedAlready.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            session = await self._sessions.session_of(tx, session_id, locked=False)
            if session is None or session.driver_id != actor.id:
                raise SessionUnknown
            if session.status not in READY:
                raise SessionNotReady
            takings = _worth_paying(await self._sessions.takings_of(tx, session_id, locked=False))
            asked = await repository.insert(tx, PayoutId.new(), session.driver_id, session_id, takings, actor.id)
            if asked is None:
                raise PayoutAskedAlready
            await _tell(tx, actor, "payout.requested", PayoutRequested, None, asked)
            return once.keep(asked)

    @retried
    async def approve(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId) -> Payout:
        """An admin approves what a driver asked for: the amounts are made out anew and final, and owed from then on.

        Raises PayoutUnknown, OwnPayout, SessionNotClosed, NothingToPayOut, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before, session = await self._lock(tx, actor, payout_id)
            PAYOUT.move(before.status, to=PayoutState.APPROVED)
            if session.status is not SessionState.CLOSED:
                raise SessionNotClosed
            takings = _worth_paying(await self._sessions.takings_of(tx, before.session_id, locked=True))
            approved = await repository.approve(tx, payout_id, actor.id, takings)
            assert approved.approved_at is not None
            entries = (Entry(Account.payee(approved.driver_id), -approved.net), Entry(PAYOUTS_DUE, approved.net))
            await ledger.post(tx, [Transaction(approved.id, Purpose.PAYOUT_APPROVED, approved.approved_at, entries)])
            await _tell(tx, actor, "payout.approved", PayoutApproved, before, approved)
            return once.keep(approved)

    @retried
    async def pay(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId) -> Payout:
        """An admin says that the money of an approved payout has left.

        Raises PayoutUnknown, OwnPayout, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before, _ = await self._lock(tx, actor, payout_id)
            PAYOUT.move(before.status, to=PayoutState.PAID)
            paid = await repository.pay(tx, payout_id, actor.id)
            assert paid.paid_at is not None
            entries = (Entry(PAYOUTS_DUE, -paid.net), Entry(Account.bank(), paid.net))
            await ledger.post(tx, [Transaction(paid.id, Purpose.PAYOUT_PAID, paid.paid_at, entries)])
            await _tell(tx, actor, "payout.paid", PayoutPaid, before, paid)
            return once.keep(paid)

    @retried
    async def reject(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId, reason: str) -> Payout:
        """An admin says no, with a reason that the driver sees; the driver can ask again.

        Raises PayoutUnknown, OwnPayout, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before, _ = await self._lock(tx, actor, payout_id)
            PAYOUT.move(before.status, to=PayoutState.REJECTED)
            rejected = await repository.reject(tx, payout_id, actor.id, reason)
            await _tell(tx, actor, "payout.rejected", PayoutRejected, before, rejected)
            return once.keep(rejected)

    async def list_own(self, actor: Actor, page: PageRequest) -> Page[Payout]:
        """A driver's own payouts, newest first."""
        async with self._database.reading() as tx:
            rows = await repository.list_payouts(tx, actor.id, None, page.after(PayoutId), page.limit + 1)
        return Page.cut(rows, page, _cursor)

    @retried
    async def list_all(self, actor: Actor, page: PageRequest, *, status: PayoutState | None = None) -> Page[Payout]:
        """Everybody's payouts, newest first, for an admin. What an admin looked at is audited."""
        async with self._database.transaction() as tx:
            found = Page.cut(await repository.list_payouts(tx, None, status, page.after(PayoutId), page.limit + 1), page, _cursor)
            await audit.record(tx, [Deed(actor, "payout.viewed", payout.id) for payout in found.rows])
        return found

    async def _lock(self, tx: Tx, actor: Actor, payout_id: PayoutId) -> tuple[Payout, PaidSession]:
        """The payout as it stands under the lock of its session."""
        found = await repository.get(tx, payout_id)
        if found is None:
            raise PayoutUnknown
        session = await self._sessions.session_of(tx, found.session_id, locked=True)
        assert session is not None
        payout = await repository.get(tx, payout_id)
        assert payout is not None
        forbid_own(actor, payout)
        return payout, session


def forbid_own(actor: Actor, payout: Payout) -> None:
    """Four eyes: neither who asked nor who gets the money decides. Raises OwnPayout."""
    if actor.id in (payout.requested_by, payout.driver_id):
        raise OwnPayout


def _worth_paying(takings: Sequence[Takings]) -> Takings:
    """A session sells in one currency. Raises NothingToPayOut."""
    worth = [each for each in takings if each.net > 0]
    if not worth:
        raise NothingToPayOut
    return worth[0]


async def _tell(tx: Tx, actor: Actor, action: str, event: type[PayoutEvent], before: Payout | None, after: Payout) -> None:
    await audit.record(tx, [Deed(actor, action, after.id, before=_facts(before) if before else None, after=_facts(after))])
    await events.publish(
        tx,
        [event(version=after.version, payout_id=after.id, driver_id=after.driver_id, session_id=after.session_id, amount=after.net)],
    )


def _facts(payout: Payout) -> dict[str, object]:
    """What the audit log keeps: never the words of a rejection."""
    return {
        "session_id": str(payout.session_id),
        "status": payout.status.value,
        "gross": payout.gross_amount,
        "fees": payout.service_fees,
        "net": payout.net_amount,
        "currency": payout.currency,
    }


def _cursor(payout: Payout) -> str:
    return encode_cursor(str(payout.id))
