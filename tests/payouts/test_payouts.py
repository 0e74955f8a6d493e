"""Paying drivers for their sessions."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from sqlalchemy import text
from tests.controls import without
from tests.payments import guards
from tests.payments.market import Market, over_http
from tests.payments.till import signed_in
from tests.payouts.office import answer, ask, departed, driver_of, name_account, read
from tests.races import guarded_and, race
from tests.shop import FARE, FEE, FIRST_PAGE, fresh_key

from holdfast.common.actor import Actor, Role
from holdfast.common.errors import Refusal
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import FEES, PAYOUTS_DUE, Account
from holdfast.payouts import moves, repository
from holdfast.payouts.errors import NothingToPayOut, OwnPayout, PayoutAskedAlready, PayoutUnknown, SessionNotClosed, SessionNotReady
from holdfast.payouts.models import Payout, PayoutId
from holdfast.payouts.states import PAYOUT, PayoutState
from holdfast.sessions.errors import SessionUnknown
from holdfast.sessions.models import SessionId

assert guards


async def test_a_driver_is_paid_what_the_session_earned(market: Market) -> None:
    session = await market.shop.session(3)
    await market.sell(session, 2)
    await market.sell(session, 1)
    asked = await ask(market, session)
    assert (asked.status, asked.gross_amount, asked.service_fees, asked.net_amount) == (
        PayoutState.PENDING,
        3 * FARE + 2 * FEE,
        2 * FEE,
        3 * FARE,
    )
    admin, other_admin = await market.shop.person(Role.ADMIN), await market.shop.person(Role.ADMIN)
    with pytest.raises(SessionNotClosed):
        await market.payouts.service.approve(admin, fresh_key(), asked.id)
    await market.close(session)
    approved = await market.payouts.service.approve(admin, fresh_key(), asked.id)
    assert (approved.status, approved.approved_by_admin, approved.net_amount) == (PayoutState.APPROVED, admin.id, 3 * FARE)
    earned = Account.payee(session.driver_id)
    assert (await market.has(earned), await market.has(PAYOUTS_DUE)) == (0, 3 * FARE)
    paid = await market.payouts.service.pay(other_admin, fresh_key(), asked.id)
    assert (paid.status, paid.paid_by_admin) == (PayoutState.PAID, other_admin.id)
    assert (await market.has(PAYOUTS_DUE), await market.has(Account.bank()), await market.has(FEES)) == (0, 3 * FARE, 2 * FEE)
    async with market.database.reading() as tx:
        told = await tx.value(text("SELECT array_agg(action ORDER BY position) FROM audit_logs WHERE action LIKE 'payout.%'"))
        events = await tx.value(text("SELECT array_agg(name ORDER BY position) FROM events WHERE subject_kind = 'payout'"))
    assert told == ["payout.requested", "payout.approved", "payout.paid"]
    assert events == ["PayoutRequested", "PayoutApproved", "PayoutPaid"]


async def test_what_was_cancelled_after_asking_is_not_paid_out(market: Market) -> None:
    session = await market.shop.session(3)
    passenger, booking = await market.sell(session, 1)
    await market.sell(session, 2)
    asked = await ask(market, session)
    assert asked.net_amount == 3 * FARE
    await market.cancel(passenger, booking)
    await market.close(session)
    approved = await market.payouts.service.approve(await market.shop.person(Role.ADMIN), fresh_key(), asked.id)
    # The fare went back, the fee was kept: it is in the gross amount, and in the fees.
    assert (approved.gross_amount, approved.service_fees, approved.net_amount) == (2 * FARE + 2 * FEE, 2 * FEE, 2 * FARE)
    assert await market.has(Account.payee(session.driver_id)) == 0


async def test_only_full_and_closed_sessions_are_asked_for(market: Market) -> None:
    session = await market.shop.session(3)
    await market.sell(session, 1)
    with pytest.raises(SessionNotReady):
        await ask(market, session)
    await market.close(session)
    assert (await ask(market, session)).net_amount == FARE


async def test_a_cancelled_session_is_not_paid_out(market: Market) -> None:
    session = await market.shop.session(1)
    await market.sell(session, 1)
    await market.shop.sessions.service.cancel(driver_of(session), None, session.id, None)
    with pytest.raises(SessionNotReady):
        await ask(market, session)


async def test_only_the_driver_asks(market: Market) -> None:
    session = await departed(market, 1)
    for asker, session_id in (
        (await market.shop.driver(), session.id),
        (driver_of(session), SessionId.new()),
    ):
        with pytest.raises(SessionUnknown):
            await market.payouts.service.ask(asker, fresh_key(), session_id)


async def test_a_session_without_passengers_earned_nothing(market: Market) -> None:
    session = await market.shop.session(3)
    await market.close(session)
    with pytest.raises(NothingToPayOut):
        await ask(market, session)


async def test_a_rejected_payout_can_be_asked_for_again(market: Market) -> None:
    session = await departed(market, 1)
    asked = await ask(market, session)
    with pytest.raises(PayoutAskedAlready):
        await ask(market, session)
    admin = await market.shop.person(Role.ADMIN)
    rejected = await market.payouts.service.reject(admin, fresh_key(), asked.id, "The account is not yours.")
    assert (rejected.status, rejected.reject_reason) == (PayoutState.REJECTED, "The account is not yours.")
    async with market.database.reading() as tx:
        kept = await tx.value(text("SELECT string_agg(coalesce(after::text, ''), '') FROM audit_logs"))
        assert "account" not in kept
    again = await ask(market, session)
    assert (await market.payouts.service.approve(admin, fresh_key(), again.id)).status is PayoutState.APPROVED


async def test_the_same_key_answers_the_same(market: Market) -> None:
    session, key = await departed(market, 1), fresh_key()
    first = await market.payouts.service.ask(driver_of(session), key, session.id)
    again = IdempotencyKey(key.text, key.fingerprint)
    assert await market.payouts.service.ask(driver_of(session), again, session.id) == first
    assert again.replayed


async def test_lists_show_drivers_their_own_and_admins_all(market: Market) -> None:
    first, second = await departed(market, 1), await departed(market, 1)
    asked = [await ask(market, first), await ask(market, second)]
    own = await market.payouts.service.list_own(driver_of(first), FIRST_PAGE)
    assert list(own.rows) == [asked[0]]
    admin = await market.shop.person(Role.ADMIN)
    assert list((await market.payouts.service.list_all(admin, FIRST_PAGE)).rows) == asked[::-1]
    assert list((await market.payouts.service.list_all(admin, FIRST_PAGE, status=PayoutState.PAID)).rows) == []
    async with market.database.reading() as tx:
        seen = await tx.value(text("SELECT count(*) FROM audit_logs WHERE action = 'payout.viewed' AND actor_id = :admin"), admin=admin.id)
    assert seen == 2


Decision = Callable[[Market, Actor, PayoutId], Awaitable[Payout]]
DECISIONS: dict[PayoutState, Decision] = {
    PayoutState.APPROVED: lambda market, actor, payout_id: market.payouts.service.approve(actor, fresh_key(), payout_id),
    PayoutState.PAID: lambda market, actor, payout_id: market.payouts.service.pay(actor, fresh_key(), payout_id),
    PayoutState.REJECTED: lambda market, actor, payout_id: market.payouts.service.reject(actor, fresh_key(), payout_id, "No."),
}


async def cancel(market: Market, _actor: Actor, payout_id: PayoutId) -> Payout:
    payout = await read(market, payout_id)
    return await market.payouts.service.cancel(Actor(payout.driver_id, Role.DRIVER), fresh_key(), payout_id)


async def put_in_batch(market: Market, actor: Actor, payout_id: PayoutId) -> Payout:
    """Its batch is approved too, by somebody else."""
    payout = await read(market, payout_id)
    await name_account(market, payout.driver_id, is_old=True)
    made = await market.payouts.batches.make(actor, fresh_key(), [payout_id])
    await market.payouts.batches.approve(await market.shop.person(Role.ADMIN), fresh_key(), made.id)
    return await read(market, payout_id)


async def come_back(market: Market, actor: Actor, payout_id: PayoutId) -> Payout:
    """As an answer does it that is news; hearing the same again changes nothing (tests/payouts/test_batches.py)."""
    async with market.database.transaction() as tx:
        payouts = await repository.lock(tx, [payout_id])
        await moves.give_back(tx, actor, list(payouts.values()), {payout_id: "AC04"})
    return await read(market, payout_id)


async def leave(market: Market, actor: Actor, payout_id: PayoutId) -> Payout:
    """By hand, or with the batch that it is in."""
    payout = await read(market, payout_id)
    if payout.batch_id is None or payout.status is not PayoutState.IN_BATCH:
        return await DECISIONS[PayoutState.PAID](market, actor, payout_id)
    await answer(market, actor, payout.batch_id, {payout_id: "PAID"})
    return await read(market, payout_id)


MOVES: dict[PayoutState, Decision] = {
    **DECISIONS,
    PayoutState.PAID: leave,
    PayoutState.CANCELLED: cancel,
    PayoutState.IN_BATCH: put_in_batch,
    PayoutState.RETURNED: come_back,
}
WAYS: dict[PayoutState, tuple[PayoutState, ...]] = {
    PayoutState.PENDING: (),
    PayoutState.APPROVED: (PayoutState.APPROVED,),
    PayoutState.IN_BATCH: (PayoutState.APPROVED, PayoutState.IN_BATCH),
    PayoutState.PAID: (PayoutState.APPROVED, PayoutState.IN_BATCH, PayoutState.PAID),
    PayoutState.RETURNED: (PayoutState.APPROVED, PayoutState.IN_BATCH, PayoutState.RETURNED),
    PayoutState.REJECTED: (PayoutState.REJECTED,),
    PayoutState.CANCELLED: (PayoutState.CANCELLED,),
}


async def test_every_pair_of_states_moves_as_the_table_says(market: Market) -> None:
    admin = await market.shop.person(Role.ADMIN)
    for start, way in WAYS.items():
        for end, decide in MOVES.items():
            payout = await ask(market, await departed(market, 1))
            for step in way:
                await MOVES[step](market, admin, payout.id)
            if end is PayoutState.APPROVED and start is PayoutState.IN_BATCH:
                # Only cancelling its batch leads there: tests/payouts/test_batches.py.
                assert PAYOUT.allows(start, end)
                continue
            if PAYOUT.allows(start, end):
                assert (await decide(market, admin, payout.id)).status is end
                continue
            with pytest.raises(PAYOUT.refusals[start]):
                await decide(market, admin, payout.id)


async def test_an_unknown_payout_is_not_found(market: Market) -> None:
    admin = await market.shop.person(Role.ADMIN)
    for decide in DECISIONS.values():
        with pytest.raises(PayoutUnknown):
            await decide(market, admin, PayoutId.new())


@guarded_and("payouts.without_four_eyes")
async def test_nobody_decides_on_a_payout_of_their_own(market: Market, owner_url: str, guard: str | None) -> None:
    """I13, F-16: the driver has become an admin since."""
    session = await departed(market, 1)
    asked = await ask(market, session)
    themselves = Actor(session.driver_id, Role.ADMIN)
    async with without(guard, owner_url):
        if guard is not None:
            assert (await market.payouts.service.approve(themselves, fresh_key(), asked.id)).status is PayoutState.APPROVED
            return
        for decide in DECISIONS.values():
            with pytest.raises(OwnPayout):
                await decide(market, themselves, asked.id)


async def test_the_database_refuses_it_too(market: Market) -> None:
    session = await departed(market, 1)
    asked = await ask(market, session)
    with pytest.raises(psycopg.errors.CheckViolation, match="driver_payouts_four_eyes"):
        async with market.database.transaction() as tx:
            await tx.run(
                text(
                    "UPDATE driver_payouts SET status = 'APPROVED', approved_by_admin = driver_id, approved_at = business_now()"
                    " WHERE id = :id"
                ),
                id=asked.id,
            )


@guarded_and("payouts.without_one_live")
async def test_many_requests_are_one_payout(market: Market, owner_url: str, guard: str | None) -> None:
    async def once() -> str:
        session = await departed(market, 1)
        answers = await asyncio.gather(*(ask(market, session) for _ in range(8)), return_exceptions=True)
        assert all(isinstance(answer, Payout | PayoutAskedAlready) for answer in answers), answers
        asked = sum(isinstance(answer, Payout) for answer in answers)
        return f"{asked} payouts" if asked != 1 else ""

    await race(once, guard, owner_url)


@guarded_and("payouts.without_locks")
@pytest.mark.parametrize("step", [PayoutState.APPROVED, PayoutState.PAID])
async def test_of_many_admins_one_decides(market: Market, owner_url: str, step: PayoutState, guard: str | None) -> None:
    """F-16: twenty admins at once, and the money is set aside, or leaves, once."""
    admins = [await market.shop.person(Role.ADMIN) for _ in range(20)]
    rounds = itertools.count(1)

    async def once() -> str:
        payout = await ask(market, await departed(market, 1))
        if step is PayoutState.PAID:
            await DECISIONS[PayoutState.APPROVED](market, admins[0], payout.id)
        answers = await asyncio.gather(*(DECISIONS[step](market, admin, payout.id) for admin in admins), return_exceptions=True)
        assert all(isinstance(answer, Payout | Refusal) for answer in answers), answers
        # Booked once all the same: the id of the transaction is the payout's.
        assert await market.has(Account.bank() if step is PayoutState.PAID else PAYOUTS_DUE) == next(rounds) * FARE
        decided = sum(isinstance(answer, Payout) for answer in answers)
        return f"{decided} admins decided" if decided != 1 else ""

    await race(once, guard, owner_url)


async def test_over_http_each_role_has_its_part(market: Market) -> None:
    session = await departed(market, 2)
    driver, admin = driver_of(session), await market.shop.person(Role.ADMIN)
    async with over_http(market) as client:
        for stranger in (admin, await market.shop.person()):
            assert (await client.post("/payouts", json={"sessionId": str(session.id)}, headers=signed_in(stranger))).status_code == 403
        asked = await client.post("/payouts", json={"sessionId": str(session.id)}, headers=signed_in(driver))
        assert asked.status_code == 201, asked.text
        assert b'"grossAmount":21.00' in asked.content
        path = f"/payouts/{asked.json()['id']}"
        for decision in ("approve", "pay"):
            assert (await client.post(f"{path}/{decision}", headers=signed_in(driver))).status_code == 403
        assert (await client.post(f"{path}/reject", json={"reason": " "}, headers=signed_in(admin))).status_code == 422
        missing_key = await client.post(f"{path}/approve", headers={"Authorization": signed_in(admin)["Authorization"]})
        assert missing_key.json()["code"] == "idempotency_key_missing"
        headers = signed_in(admin)
        approved = await client.post(f"{path}/approve", headers=headers)
        assert (approved.status_code, approved.json()["status"], approved.json()["approvedByAdmin"]) == (200, "APPROVED", str(admin.id))
        repeated = await client.post(f"{path}/approve", headers=headers)
        assert (repeated.json(), repeated.headers["idempotency-replayed"]) == (approved.json(), "true")
        again = await client.post(f"{path}/approve", headers=signed_in(admin))
        assert (again.status_code, again.json()["code"]) == (409, "payout_approved")
        paid = await client.post(f"{path}/pay", headers=signed_in(admin))
        assert (paid.status_code, paid.json()["status"]) == (200, "PAID")
        own = (await client.get("/payouts/my", headers=signed_in(driver))).json()["data"]
        assert own == [paid.json()]
        everybody = await client.get("/payouts?status=PAID", headers=signed_in(admin))
        assert everybody.json()["data"] == own
        assert (await client.get("/payouts", headers=signed_in(driver))).status_code == 403
