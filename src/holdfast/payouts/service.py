"""Asking for payouts, and deciding on them.

Whoever approves a payout locks its session, the session's payments, the payout and its driver, in that order, so that the amount
that is made out stays true. Whoever only moves it on locks the payout.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from holdfast import audit, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor, UserId
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import Takings
from holdfast.payouts import moves, repository
from holdfast.payouts.errors import (
    NothingToPayOut,
    PayeeOwes,
    PayoutAskedAlready,
    PayoutUnknown,
    SessionNotClosed,
    SessionNotReady,
)
from holdfast.payouts.events import PayoutCancelled, PayoutRejected, PayoutRequested
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

        Raises SessionUnknown (also for another's session), SessionNotReady, NothingToPayOut, PayeeOwes, PayoutAskedAlready.
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
            standing = await repository.standing(tx, actor.id, takings.currency)
            if standing.balance < 0:
                raise PayeeOwes(due=Amount(takings.currency, -standing.balance))
            asked = await repository.insert(tx, PayoutId.new(), session.driver_id, session_id, takings, actor.id)
            if asked is None:
                raise PayoutAskedAlready
            await moves.tell(tx, actor, "payout.requested", PayoutRequested, [asked], {})
            return once.keep(asked)

    @retried
    async def cancel(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId) -> Payout:
        """A driver wants a payout no longer that nobody has decided on.

        Raises PayoutUnknown (also for another's payout), and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before = await self._locked(tx, payout_id)
            if before.driver_id != actor.id:
                raise PayoutUnknown
            PAYOUT.move(before.status, to=PayoutState.CANCELLED)
            cancelled = await repository.cancel(tx, payout_id)
            await moves.tell(tx, actor, "payout.cancelled", PayoutCancelled, [cancelled], {payout_id: before})
            return once.keep(cancelled)

    @retried
    async def approve(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId) -> Payout:
        """An admin approves what a driver asked for: the amounts are made out anew and final, and owed from then on.

        What the driver owes is set off against it. Raises PayoutUnknown, OwnPayout, SessionNotClosed, NothingToPayOut, and the
        refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            found = await repository.get(tx, payout_id)
            if found is None:
                raise PayoutUnknown
            session = await self._sessions.session_of(tx, found.session_id, locked=True)
            assert session is not None
            taken = await self._sessions.takings_of(tx, found.session_id, locked=True)
            before = await self._locked(tx, payout_id)
            moves.forbid_own(actor, before)
            PAYOUT.move(before.status, to=PayoutState.APPROVED)
            if session.status is not SessionState.CLOSED:
                raise SessionNotClosed
            takings = _worth_paying(taken)
            await repository.lock_payee(tx, before.driver_id)
            standing = await repository.standing(tx, before.driver_id, takings.currency)
            return once.keep(await moves.approve(tx, actor, before, takings, standing.debt))

    @retried
    async def pay(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId) -> Payout:
        """An admin says that the money of an approved payout has left by hand, and not with a batch.

        Raises PayoutUnknown, OwnPayout, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before = await self._locked(tx, payout_id)
            moves.forbid_own(actor, before)
            if before.status is PayoutState.IN_BATCH:
                # Only the bank knows what became of it.
                raise PAYOUT.refusals[before.status]
            return once.keep((await moves.pay(tx, actor, [before]))[0])

    @retried
    async def reject(self, actor: Actor, key: IdempotencyKey, payout_id: PayoutId, reason: str) -> Payout:
        """An admin says no, with a reason that the driver sees; the driver can ask again.

        Raises PayoutUnknown, OwnPayout, and the refusals of the machine.
        """
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Payout) as once:
            if once.replay:
                return once.replay
            before = await self._locked(tx, payout_id)
            moves.forbid_own(actor, before)
            PAYOUT.move(before.status, to=PayoutState.REJECTED)
            rejected = await repository.reject(tx, payout_id, actor.id, reason)
            await moves.tell(tx, actor, "payout.rejected", PayoutRejected, [rejected], {payout_id: before})
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

    async def _locked(self, tx: Tx, payout_id: PayoutId) -> Payout:
        found = (await repository.lock(tx, [payout_id])).get(payout_id)
        if found is None:
            raise PayoutUnknown
        return found


def _worth_paying(takings: Sequence[Takings]) -> Takings:
    """A session sells in one currency. Raises NothingToPayOut."""
    worth = [each for each in takings if each.net > 0]
    if not worth:
        raise NothingToPayOut
    return worth[0]


def _cursor(payout: Payout) -> str:
    return encode_cursor(str(payout.id))
