"""What admins and drivers do about payouts, in one call each."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import text
from tests.payments.market import Market
from tests.shop import fresh_key

from holdfast.auth.models import LoginId, SignedIn
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.money import Amount
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.gateway import DisputeFact, DisputeStatus
from holdfast.payments.models import PaymentId
from holdfast.payouts import repository
from holdfast.payouts.accounts.dto import AccountRequest
from holdfast.payouts.accounts.models import ShownAccount
from holdfast.payouts.batches.answers import read_answer
from holdfast.payouts.batches.models import Batch
from holdfast.payouts.batches.service import Heard
from holdfast.payouts.models import Payout, PayoutBatchId, PayoutId
from holdfast.sessions.models import Session

IBAN = "EG380019000500000000263180002"
OTHER_IBAN = "EG210003000100000000012345678"


def driver_of(session: Session) -> Actor:
    return Actor(session.driver_id, Role.DRIVER)


async def departed(market: Market, *seats: int) -> Session:
    """A session that left with somebody on each of these seats."""
    session = await market.shop.session(sum(seats))
    for taken in seats:
        await market.sell(session, taken)
    await market.close(session)
    return session


async def departed_again(market: Market, driver: Actor, seats: int) -> Session:
    """Another session of the same driver, full."""
    session = await market.shop.sessions.service.start(driver, None, market.shop.route_id, market.shop.station_id, seats)
    await market.sell(session, seats)
    await market.close(session)
    return session


async def ask(market: Market, session: Session) -> Payout:
    return await market.payouts.service.ask(driver_of(session), fresh_key(), session.id)


async def approved(market: Market, session: Session) -> Payout:
    """A payout that was asked for and approved by somebody."""
    asked = await ask(market, session)
    return await market.payouts.service.approve(await market.shop.person(Role.ADMIN), fresh_key(), asked.id)


async def paid(market: Market, session: Session) -> Payout:
    """A payout whose money has left by hand."""
    return await market.payouts.service.pay(await market.shop.person(Role.ADMIN), fresh_key(), (await approved(market, session)).id)


async def dispute(market: Market, session: Session, amount: Amount, status: DisputeStatus = DisputeStatus.OPENED) -> None:
    """The gateway tells of a dispute about whatever the first passenger paid for."""
    async with market.database.reading() as tx:
        query = "SELECT p.id FROM payments p JOIN bookings b ON b.id = p.payable_id WHERE b.owner_id = :id ORDER BY p.id LIMIT 1"
        payment = PaymentId.of(await tx.value(text(query), id=session.id))
    await Disputes(market.database).apply("sandbox", DisputeFact(payment, "ch_1", f"dp_{payment}", amount, status, "fraudulent"))


async def read(market: Market, payout_id: PayoutId) -> Payout:
    async with market.database.reading() as tx:
        found = await repository.get(tx, payout_id)
    assert found is not None
    return found


async def sign_in(market: Market, user_id: UserId, *, ago: timedelta = timedelta(0)) -> SignedIn:
    """Somebody who signed in with a code some time ago."""
    login_id = LoginId.new()
    async with market.database.transaction() as tx:
        await tx.run(
            text("INSERT INTO logins (id, user_id, created_at) VALUES (:id, :user_id, business_now() - CAST(:ago AS interval))"),
            id=login_id,
            user_id=user_id,
            ago=ago,
        )
    return SignedIn(user_id, Role.DRIVER, login_id, 1)


async def name_account(
    market: Market, payee_id: UserId, iban: str = IBAN, holder: str = "Mona Ali", *, is_old: bool = False
) -> ShownAccount:
    """A payee says where money is to go; ``is_old``: long enough ago."""
    signed_in = await sign_in(market, payee_id)
    named = await market.payouts.accounts.change(signed_in, fresh_key(), AccountRequest(holder, iban, "NBEGEGCX"))
    if is_old:
        async with market.database.transaction() as tx:
            # Accounts are never changed: another one that was named long ago takes its place.
            await tx.run(
                text(
                    "WITH old AS (INSERT INTO payout_accounts (id, payee_id, sealed, created_at, usable_at)"
                    " SELECT gen_random_uuid(), payee_id, sealed, created_at - interval '2 days', created_at - interval '1 day'"
                    " FROM payout_accounts WHERE id = :id RETURNING id, payee_id)"
                    " UPDATE payout_payees p SET account_id = old.id FROM old WHERE p.payee_id = old.payee_id"
                ),
                id=named.id,
            )
    return named


async def ready(market: Market, *seats: int, iban: str = IBAN, holder: str = "Mona Ali") -> Payout:
    """An approved payout of somebody whose account money may go to."""
    session = await departed(market, *seats)
    await name_account(market, session.driver_id, iban, holder, is_old=True)
    return await approved(market, session)


async def sent(market: Market, *payouts: Payout) -> Batch:
    """A batch at the bank: made by one admin, approved by another."""
    maker, approver = await market.shop.person(Role.ADMIN), await market.shop.person(Role.ADMIN)
    made = await market.payouts.batches.make(maker, fresh_key(), [payout.id for payout in payouts])
    return await market.payouts.batches.approve(approver, fresh_key(), made.id)


async def answer(market: Market, admin: Actor, batch_id: PayoutBatchId, said: Mapping[PayoutId, str]) -> Heard:
    """The bank answers with a table."""
    lines = ["end_to_end_id,status,reason", *(f"{payout_id},{status},AC04" for payout_id, status in said.items())]
    return await market.payouts.batches.hear(admin, fresh_key(), batch_id, read_answer("\n".join(lines).encode()))
