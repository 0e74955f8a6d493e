"""`holdfast check` beside all of it: disputes, orders of admins and settlements leave every invariant in place."""

from datetime import date
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.payments.market import open_market
from tests.payments.till import fresh_key, somebody

from holdfast.app.check import examine
from holdfast.clearing.models import Line, MovementKind
from holdfast.clearing.service import Clearing
from holdfast.common.actor import Actor, Role
from holdfast.database import Database
from holdfast.ledger import Account
from holdfast.payments.disputes.service import Disputes
from holdfast.payments.gateway import DisputeFact, DisputeStatus
from holdfast.payments.models import Payment
from holdfast.payments.payable import Payables
from holdfast.payments.refund_orders.service import RefundOrders


def about(payment: Payment, status: DisputeStatus) -> DisputeFact:
    return DisputeFact(payment.id, "ch", f"dp_{payment.id}", payment.total, status, "fraudulent")


@pytest.mark.parametrize("status", list(DisputeStatus))
async def test_disputes_orders_and_settlements_leave_the_books_right(
    database: Database, database_url: str, tmp_path: Path, status: DisputeStatus
) -> None:
    async with open_market(database, tmp_path) as market:
        session = await market.shop.session()
        paid = []
        for _ in range(3):
            passenger = await market.shop.person()
            booking = await market.shop.hold(passenger, session)
            paid.append((passenger, booking, (await market.pay(passenger, booking)).payment))
        payables = Payables()
        payables.add("booking", market.shop.bookings.payable)
        orders, disputes = RefundOrders(database, payables, limit_minor=500), Disputes(database)
        admin, other = somebody(Role.ADMIN), somebody(Role.ADMIN)
        await orders.order(admin, fresh_key(), paid[0][2].id, 2.5, "Late.")
        await disputes.apply("sandbox", about(paid[1][2], status))
        ordered = await orders.order(admin, fresh_key(), paid[2][2].id, 7.5, "Very late.")
        await orders.approve(other, fresh_key(), ordered.id)
        # Cancelled after all of that: the policy has what is left.
        for passenger, booking, _ in paid:
            await market.cancel(passenger, booking)
        await market.fill(passenger, 20)
        await market.close(session)
        settled = [
            Line(MovementKind.CAPTURE, f"ch_{number}", UUID(int=payment.id.int), 1100, 33, 1067, "EGP", date(2026, 11, 27))
            for number, (_, _, payment) in enumerate(paid)
        ]
        sent = Line(MovementKind.PAYOUT, "po_1", None, -1067, 0, -1067, "EGP", date(2026, 11, 27))
        await Clearing(database, market.payments.gateways).import_lines(Actor(admin.id, Role.ADMIN), "sandbox", [*settled, sent])
        found = await examine(database_url, test_clock=True)
        assert [(finding.name, finding.rows) for finding in found.findings if not finding.holds] == []


async def test_a_wallet_that_was_filled_with_disputed_money_owes_what_it_has_spent(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with open_market(database, tmp_path) as market:
        passenger, session = await market.shop.person(), await market.shop.session()
        await market.fill(passenger, 20)
        await market.pay_from_wallet(passenger, await market.shop.hold(passenger, session))
        async with database.reading() as tx:
            rows = await tx.all(text("SELECT * FROM payments WHERE payable_kind = 'top_up'"), Payment)
        await Disputes(database).apply("sandbox", about(rows[0], DisputeStatus.LOST))
        assert await market.has(Account.wallet(passenger.id)) == 0
        assert await market.has(Account.payee(passenger.id)) == -1100
        found = await examine(database_url, test_clock=True)
        assert [(finding.name, finding.rows) for finding in found.findings if not finding.holds] == []
