"""The desk: requests for holds, many at a time, in one transaction and one commit.

One bad request never fails its neighbours. What a batch writes, and in which order, is in ``docs/explain/locking.md``.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from msgspec import Struct
from psycopg import errors as pg_errors

from holdfast import events
from holdfast.bookings import repository
from holdfast.bookings.errors import TooManyLiveHolds, TooManyUnpaidHolds
from holdfast.bookings.events import BookingHeld
from holdfast.bookings.models import Booking, BookingId, HeldBooking
from holdfast.bookings.repository import NewBooking, Unpaid
from holdfast.bookings.seats import SoldOutMemo
from holdfast.bookings.states import BookingState
from holdfast.common.actor import Actor, UserId
from holdfast.common.batching import Batcher
from holdfast.common.errors import NotFound, Overloaded, Refusal
from holdfast.common.money import Amount
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey, KeyedRequest, New, OtherBody, Replay, RequestKey, begin, keep, look_up
from holdfast.idempotency.errors import KeyUsedForAnother, StillRunning
from holdfast.inventory import Claim, Hold, HoldId, Inventory, Shortage
from holdfast.resources.gate import NO_GATE, Gate, Visit
from holdfast.resources.kind import Kinds, Resolved, Wanted

log = structlog.get_logger()

UNPAID_WITHIN = timedelta(hours=1)

Answer = HeldBooking | BaseException


class HoldRequest(Struct, frozen=True):
    """One person's wish for a hold. ``booking_id`` is the id that it will have if it is granted."""

    actor: Actor
    key: IdempotencyKey
    request_key: RequestKey
    kind: str
    owner_id: UUID
    quantity: int
    booking_id: BookingId

    @property
    def keyed(self) -> KeyedRequest:
        return KeyedRequest(self.request_key, self.key.fingerprint, self.booking_id)

    @property
    def visit(self) -> Visit:
        return Visit(self.owner_id, self.actor.id, self.booking_id)


class HoldLimits(Struct, frozen=True):
    """What one person may hold at a time, and how often they may hold the same and not pay: whoever holds, lets go and holds again keeps
    it from others all the same.
    """

    live_max: int
    unpaid_max: int

    def refuse(self, live: int, unpaid: Unpaid | None) -> Refusal | None:
        if live >= self.live_max:
            return TooManyLiveHolds(live=live, live_max=self.live_max)
        if unpaid is not None and unpaid.count >= self.unpaid_max:
            return TooManyUnpaidHolds(count=unpaid.count, again_at=unpaid.first_at + UNPAID_WITHIN)
        return None


class Desk:
    """Grants holds in the order of arrival, up to 200 in one transaction."""

    def __init__(
        self, database: Database, inventory: Inventory, kinds: Kinds, sold_out: SoldOutMemo, *, limits: HoldLimits, gate: Gate = NO_GATE
    ) -> None:
        self._database = database
        self._inventory = inventory
        self._kinds = kinds
        self._sold_out = sold_out
        self._limits = limits
        self._gate = gate
        # Waiting here has no deadline: parts of a batch must not lose their turn to those that wait for a stuck pool.
        self._turns = asyncio.Semaphore(database.transactions_max)
        self._batcher: Batcher[HoldRequest, HeldBooking] = Batcher(self._answer)

    async def hold(self, actor: Actor, key: IdempotencyKey, kind: str, owner_id: UUID, quantity: int) -> HeldBooking:
        """Hold a quantity of what an owner offers, until the deadline of its kind.

        Repeating it with the same key answers the same. Raises what the kind refuses with, TooManyLiveHolds,
        KeyUsedForAnother, StillRunning, Overloaded.
        """
        return await self._batcher.ask(HoldRequest(actor, key, RequestKey(actor.id, key.text), kind, owner_id, quantity, BookingId.new()))

    async def _answer(self, requests: Sequence[HoldRequest]) -> Sequence[Answer]:
        """One answer for each request. What cannot be had together is tried again apart, so that only the stuck ones fail."""
        remembered = await self._sold_out.recall({request.owner_id for request in requests})
        await self._gate.look()
        try:
            return await self._in_turn(requests, remembered)
        except (Overloaded, StillRunning, pg_errors.Error) as error:
            return await self._apart(requests, remembered, error)

    async def _apart(self, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage], error: Exception) -> Sequence[Answer]:
        groups = _groups(requests)
        if len(groups) == 1 and len(requests) > 1 and not _is_stuck(error):
            groups = [[request] for request in requests]
        if len(groups) == 1:
            return [_refusal_for(error)] * len(requests)
        log.info("batch_taken_apart", requests=len(requests), groups=len(groups), reason=type(error).__name__)
        found: dict[int, Answer] = {}

        async def answer(group: Sequence[HoldRequest]) -> None:
            try:
                answers = await self._in_turn(group, remembered)
            except (Overloaded, StillRunning, pg_errors.Error) as again:
                answers = await self._apart(group, remembered, again)
            found.update({id(request): each for request, each in zip(group, answers, strict=True)})

        await asyncio.gather(*(answer(group) for group in groups))
        return [found[id(request)] for request in requests]

    async def _in_turn(self, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage]) -> Sequence[Answer]:
        async with self._turns:
            return await self._hold_all(requests, remembered)

    @retried
    async def _hold_all(self, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage]) -> Sequence[Answer]:
        if all(request.owner_id in remembered for request in requests):
            return await self._refuse_all(requests, remembered)
        first_of: dict[RequestKey, HoldRequest] = {}
        for request in requests:
            first_of.setdefault(request.request_key, request)
        shortages: dict[UUID, Shortage] = {}
        async with self._database.transaction() as tx:
            standing = await begin(tx, [request.keyed for request in first_of.values()])
            fresh = [request for request in first_of.values() if isinstance(standing[request.request_key], New)]
            judged = await self._judge(tx, fresh, remembered, shortages)
            await keep(tx, {request.request_key: None for request in fresh if isinstance(judged[request.booking_id], Refusal)})
            replayed = await self._rebuild(tx, [each.result_id for each in standing.values() if isinstance(each, Replay)])
        await self._sold_out.note(shortages)
        answers: list[Answer] = []
        for request in requests:
            first, stands = first_of[request.request_key], standing[request.request_key]
            if isinstance(stands, OtherBody) or request.key.fingerprint != first.key.fingerprint:
                answers.append(KeyUsedForAnother())
            elif isinstance(stands, Replay):
                request.key.replayed = True
                answers.append(_replay(stands, replayed))
            else:
                # The second of two requests that came with one key in one batch.
                request.key.replayed = request is not first
                answers.append(judged[first.booking_id])
        return answers

    async def _refuse_all(self, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage]) -> Sequence[Answer]:
        """Sold out costs nothing but one read, which finds the keys of requests that were granted before."""
        async with self._database.transaction() as tx:
            standing = await look_up(tx, [request.keyed for request in requests])
            replayed = await self._rebuild(tx, [each.result_id for each in standing.values() if isinstance(each, Replay)])
        answers: list[Answer] = []
        for request in requests:
            stands = standing.get(request.request_key)
            if stands is None:
                answers.append(self._kinds[request.kind].refusal_of(remembered[request.owner_id]))
            elif isinstance(stands, Replay):
                request.key.replayed = True
                answers.append(_replay(stands, replayed))
            else:
                answers.append(KeyUsedForAnother())
        return answers

    async def _judge(
        self, tx: Tx, requests: Sequence[HoldRequest], remembered: Mapping[UUID, Shortage], shortages: dict[UUID, Shortage]
    ) -> dict[BookingId, Answer]:
        """Grant or refuse requests whose keys are new, and write what was granted."""
        judged: dict[BookingId, Answer] = {
            request.booking_id: self._kinds[request.kind].refusal_of(remembered[request.owner_id])
            for request in requests
            if request.owner_id in remembered
        }
        guarded = [r for r in requests if r.booking_id not in judged and self._gate.guards(r.owner_id)]
        if guarded:
            turned_away = await self._gate.judge(tx, [request.visit for request in guarded])
            judged |= {r.booking_id: turned_away[r.booking_id] for r in guarded if r.booking_id in turned_away}
        open_requests = [request for request in requests if request.booking_id not in judged]
        resolved = await self._resolve(tx, open_requests)
        live, unpaid = await self._count_holds(tx, open_requests)
        wanted: list[HoldRequest] = []
        counted = dict(live)
        for request in open_requests:
            answer = resolved[request.booking_id]
            if isinstance(answer, Refusal):
                judged[request.booking_id] = answer
            elif refusal := self._limits.refuse(counted.get(request.actor.id, 0), unpaid.get((request.actor.id, request.owner_id))):
                judged[request.booking_id] = refusal
            else:
                counted[request.actor.id] = counted.get(request.actor.id, 0) + 1
                wanted.append(request)
        if wanted:
            priced = {r.booking_id: found for r in wanted if isinstance(found := resolved[r.booking_id], Resolved)}
            judged |= await self._claim(tx, wanted, priced, shortages)
            if let_in := [r.visit for r in guarded if isinstance(judged[r.booking_id], HeldBooking)]:
                await self._gate.use_up(tx, let_in)
        return judged

    async def _count_holds(
        self, tx: Tx, requests: Sequence[HoldRequest]
    ) -> tuple[Mapping[UserId, int], Mapping[tuple[UserId, UUID], Unpaid]]:
        if not requests:
            return {}, {}
        wishes = Counter(request.actor.id for request in requests)
        return await repository.count_holds(
            tx,
            list(wishes),
            list({request.owner_id for request in requests}),
            UNPAID_WITHIN,
            # Who has fewer cannot come to the limit in this batch, so nobody need know how many it are.
            live_from=max(self._limits.live_max - wishes.most_common(1)[0][1] + 1, 1),
            unpaid_from=self._limits.unpaid_max,
        )

    async def _resolve(self, tx: Tx, requests: Sequence[HoldRequest]) -> dict[BookingId, Resolved | Refusal]:
        resolved: dict[BookingId, Resolved | Refusal] = {}
        for kind in sorted({request.kind for request in requests}):
            of_kind = [request for request in requests if request.kind == kind]
            found = await self._kinds[kind].resolve(tx, [Wanted(request.owner_id, request.quantity) for request in of_kind])
            resolved.update({request.booking_id: each for request, each in zip(of_kind, found, strict=True)})
        return resolved

    async def _claim(
        self, tx: Tx, wanted: Sequence[HoldRequest], resolved: Mapping[BookingId, Resolved], shortages: dict[UUID, Shortage]
    ) -> dict[BookingId, Answer]:
        claim = await self._inventory.claim(tx, [resolved[request.booking_id].claim(HoldId.of(request.booking_id)) for request in wanted])
        judged: dict[BookingId, Answer] = {}
        written: list[NewBooking] = []
        for request in wanted:
            hold_id, kind = HoldId.of(request.booking_id), self._kinds[request.kind]
            if hold_id in claim.refused:
                shortage = claim.refused[hold_id]
                judged[request.booking_id] = kind.refusal_of(shortage)
                if shortage.free == 0 and kind.is_uniform and not shortage.momentary:
                    shortages[request.owner_id] = shortage
                continue
            resolution = resolved[request.booking_id].taking(claim.lines[hold_id])
            booking = _new_booking(request, resolution, claim.granted[hold_id], claim)
            written.append(NewBooking(booking, resolution))
            judged[request.booking_id] = _held(booking)
        if written:
            await repository.insert_held(tx, written)
            await events.publish(tx, [_announcement(each, claim) for each in written])
        return judged

    async def _rebuild(self, tx: Tx, ids: Sequence[UUID | None]) -> Mapping[UUID, HeldBooking]:
        wanted = [found for found in ids if found is not None]
        if not wanted:
            return {}
        return {booking.id: _held(booking) for booking in (await repository.get(tx, wanted)).values()}


def _groups(requests: Sequence[HoldRequest]) -> list[list[HoldRequest]]:
    groups: dict[UUID, list[HoldRequest]] = {}
    for request in requests:
        groups.setdefault(request.owner_id, []).append(request)
    return list(groups.values())


def _is_stuck(error: Exception) -> bool:
    return isinstance(error.__cause__, pg_errors.LockNotAvailable) and not isinstance(error, StillRunning)


def _refusal_for(error: Exception) -> BaseException:
    """What one request is told for which nobody else is to blame. A fault of ours stays what it is, for the edge to log."""
    return Overloaded() if isinstance(error, pg_errors.OperationalError) else error


def _replay(stands: Replay, rebuilt: Mapping[UUID, HeldBooking]) -> Answer:
    # A key of this path always names its booking; one that does not was written by another path with the same fingerprint.
    if stands.result_id is None:
        return KeyUsedForAnother()
    return rebuilt.get(stands.result_id) or NotFound()


def _new_booking(request: HoldRequest, resolved: Resolved, hold: Hold, claim: Claim) -> Booking:
    return Booking(
        id=request.booking_id,
        customer_id=request.actor.id,
        kind=request.kind,
        owner_id=request.owner_id,
        quantity=request.quantity,
        status=BookingState.PENDING,
        fare=resolved.fare.minor,
        service_fee=resolved.fee.minor,
        currency=resolved.fare.currency,
        payee_id=resolved.payee,
        held_until=hold.expires_at,
        available_after=min(claim.pools[line.pool].free for line in resolved.lines),
        extended_at=None,
        confirmed_at=None,
        ended_at=None,
        end_reason=None,
        version=1,
        created_at=hold.expires_at - resolved.lifetime,
        expires_at=hold.expires_at,
    )


def _held(booking: Booking) -> HeldBooking:
    return HeldBooking(
        id=booking.id,
        owner_id=booking.owner_id,
        quantity=booking.quantity,
        fare=Amount(booking.currency, booking.fare),
        service_fee=Amount(booking.currency, booking.service_fee),
        expires_at=booking.held_until,
        available=booking.available_after,
    )


def _announcement(new: NewBooking, claim: Claim) -> BookingHeld:
    booking = new.booking
    return BookingHeld(
        version=booking.version,
        booking_id=booking.id,
        customer_id=booking.customer_id,
        kind=booking.kind,
        owner_id=booking.owner_id,
        quantity=booking.quantity,
        available=booking.available_after,
        pool_version=max(claim.pools[line.pool].version for line in new.resolved.lines),
        expires_at=booking.held_until,
    )
