"""Real sessions and real bookings, paid for through the sandbox: what payouts and reports are tried on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from tests.payments.till import SECRET, TIMEOUT_S, FewRoutes
from tests.servers import serving
from tests.shop import Shop, fresh_key

from holdfast.app.http import create_app
from holdfast.app.sandbox.http import create_sandbox
from holdfast.bookings.models import PAYABLE_KIND, Booking, HeldBooking
from holdfast.common.actor import Actor, Role
from holdfast.common.money import egp
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import Account, balance
from holdfast.payments import Method, PaymentState, module
from holdfast.payments.gateway import Gateways
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.screening import NO_SCREENING, Screening
from holdfast.payments.settling import PaymentAnswer
from holdfast.payouts import module as payouts_module
from holdfast.payouts.accounts.models import Destination
from holdfast.payouts.sessions import SoldSessions
from holdfast.reports import module as reports_module
from holdfast.sessions.models import Session
from holdfast.vault import PersonalVault, Vault
from holdfast.wallets import module as wallets_module
from holdfast.wallets.models import TOP_UP_KIND

DEBTOR = Destination("Holdfast", "EG800002000156789012345180002", "NBEGEGCX")
VAULT = PersonalVault(Vault("a secret of tests, long enough to be one"))


class Market:
    """A shop whose seats are paid for."""

    def __init__(self, database: Database, gateway: SandboxGateway, screening: Screening = NO_SCREENING) -> None:
        self.database = database
        self.shop = Shop(database)
        payables = self.shop.payables
        self.payments = module.build(database, payables, Gateways(gateway), screening=screening)
        self.wallets = wallets_module.build(database, currency="EGP")
        payables.add(TOP_UP_KIND, self.wallets.payable)
        self.payouts = payouts_module.build(
            database, SoldSessions(self.shop.sessions.service), VAULT, debtor=DEBTOR, cooling=timedelta(hours=24), zone="Africa/Cairo"
        )
        self.reports = reports_module.build(database)

    async def sell(self, session: Session, seats: int = 1, token: str = "tok_success") -> tuple[Actor, HeldBooking]:
        """Somebody buys seats."""
        passenger = await self.shop.person()
        booking = await self.shop.hold(passenger, session, seats)
        answer = await self.pay(passenger, booking, token)
        assert answer.payment.status is PaymentState.SUCCESS
        return passenger, booking

    async def pay(self, passenger: Actor, booking: HeldBooking, token: str = "tok_success") -> PaymentAnswer:
        return await self.payments.service.pay(passenger, fresh_key(), (PAYABLE_KIND, booking.id), Method.CARD, token)

    async def fill(self, person: Actor, pounds: int) -> None:
        """Somebody puts money into their wallet, by card."""
        top_up = await self.wallets.service.open_top_up(person, fresh_key(), egp(pounds))
        answer = await self.payments.service.pay(person, fresh_key(), (TOP_UP_KIND, top_up.id), Method.CARD, "tok_success")
        assert answer.payment.status is PaymentState.SUCCESS

    async def pay_from_wallet(self, person: Actor, booking: HeldBooking, key: IdempotencyKey | None = None) -> PaymentAnswer:
        return await self.payments.service.pay(person, key or fresh_key(), (PAYABLE_KIND, booking.id), Method.WALLET)

    async def cancel(self, passenger: Actor, booking: HeldBooking) -> Booking:
        await self.shop.bookings.service.cancel(passenger, None, booking.id)
        return await self.shop.booking(booking.id)

    async def close(self, session: Session) -> None:
        """The driver leaves."""
        await self.shop.sessions.service.close(Actor(session.driver_id, Role.DRIVER), None, session.id)

    async def has(self, account: Account) -> int:
        """What an account has, in piastres."""
        async with self.database.reading() as tx:
            amounts = await balance(tx, account)
        assert [amount.currency for amount in amounts] in ([], ["EGP"])
        return amounts[0].minor if amounts else 0


@asynccontextmanager
async def open_market(database: Database, directory: Path, screening: Screening = NO_SCREENING) -> AsyncIterator[Market]:
    app = create_sandbox(directory / "sandbox.sqlite3", SECRET, None, late_s=0.2, silence_s=TIMEOUT_S * 2)
    async with serving(app) as url:
        market = Market(database, SandboxGateway(url, SECRET, timeout_s=TIMEOUT_S), screening)
        await market.shop.open()
        yield market
        await market.payments.close()
        await market.shop.redis.close()


@asynccontextmanager
async def over_http(market: Market) -> AsyncIterator[httpx.AsyncClient]:
    """Bookings, payments, wallets, payouts and reports behind the edge."""
    routers = [market.shop.bookings.router, market.payments.router, market.wallets.router, market.payouts.router, market.reports.router]
    program = FewRoutes(Settings(_env_file=None), routers)  # type: ignore[call-arg]
    async with serving(create_app(program)) as url, httpx.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as client:
        yield client
