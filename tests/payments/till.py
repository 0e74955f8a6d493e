"""A world in which something is sold: one Payable with a table of its own, the sandbox over HTTP, and our edge in front."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from litestar import Router
from msgspec import Struct
from sqlalchemy import text
from tests.servers import serving

from holdfast.app.http import create_app
from holdfast.app.sandbox.http import create_sandbox
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.errors import NotSignedIn, Refusal
from holdfast.common.ids import Id
from holdfast.common.money import Amount, egp
from holdfast.config import Settings
from holdfast.database import Database, Tx
from holdfast.idempotency import IdempotencyKey
from holdfast.payments import module, of
from holdfast.payments.gateway import Gateways
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import Method, Payment, PaymentId, Refund
from holdfast.payments.module import PaymentsModule
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Arrived, Due, Effect, HoldLapsedMeanwhile, Mismatch, Payables, Settled, Standing, TooLate
from holdfast.payments.screening import NO_SCREENING, UNKNOWN_ORIGIN, Origin, Screening
from holdfast.payments.settling import PaymentAnswer

SECRET = "a secret between the sandbox and us"
SOLD = "sold"
LATE_S = 0.3
# Long enough for a busy machine: an answer that takes longer is an unknown outcome.
TIMEOUT_S = 2.0

_TABLE = """
    CREATE TABLE things (
        id uuid PRIMARY KEY, payer_id uuid NOT NULL, payee_id uuid NOT NULL, fare bigint NOT NULL, fee bigint NOT NULL,
        currency text NOT NULL, status text NOT NULL DEFAULT 'OPEN',
        expires_at timestamptz NOT NULL DEFAULT business_now() + interval '5 minutes',
        can_be_retaken boolean NOT NULL DEFAULT false, extended integer NOT NULL DEFAULT 0, sold integer NOT NULL DEFAULT 0,
        failed integer NOT NULL DEFAULT 0, session_id uuid
    )
"""


class BookingId(Id, prefix="bkg"):
    __slots__ = ()


class ThingGone(Refusal):
    """It is gone."""

    code = "gone"
    status = 409


class Thing(Struct, frozen=True):
    """What is sold here. ``sold`` counts how often money had its effect on it."""

    id: BookingId
    payer_id: UserId
    payee_id: UserId
    fare: int
    fee: int
    currency: str
    status: str
    is_live: bool
    can_be_retaken: bool
    extended: int
    sold: int
    failed: int


_READ = "SELECT *, expires_at > business_now() AS is_live FROM things WHERE id = ANY(:ids) ORDER BY id"


@dataclass
class ThingPayable:
    """Sells things. ``lapses`` makes that many captures find out too late that the hold is gone."""

    id_types: tuple[type[Id], ...] = (BookingId,)
    lapses: int = 0
    is_locking: bool = True
    # Called between the lock and the effect: where a race is held open.
    before_effect: Callable[[], Awaitable[None]] | None = None

    async def lock(self, tx: Tx, ids: Sequence[UUID], *, settling: bool) -> "LockedThings":
        if self.is_locking:
            await tx.run(text("SELECT id FROM things WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), ids=list(ids))
        return LockedThings(self, ids)

    async def standing(self, tx: Tx, ids: Sequence[UUID]) -> Mapping[UUID, Standing]:
        return {thing.id: Standing(thing.status) for thing in await read_things(tx, ids)}


@dataclass
class LockedThings:
    """Things that are being paid for. They are read when they are asked for, since not every test locks them."""

    payable: ThingPayable
    ids: Sequence[UUID]

    @property
    def ready(self) -> Sequence[UUID]:
        return self.ids

    async def amounts_due(self, tx: Tx) -> Mapping[UUID, Due | Refusal]:
        return {
            thing.id: Due(thing.payer_id, thing.payee_id, Amount(thing.currency, thing.fare), Amount(thing.currency, thing.fee))
            if thing.status == "OPEN" and thing.is_live
            else ThingGone()
            for thing in await read_things(tx, self.ids)
        }

    async def begun(self, tx: Tx) -> None:
        await tx.run(
            text(
                """UPDATE things SET extended = extended + 1, expires_at = expires_at + interval '5 minutes'
                    WHERE id = ANY(:ids) AND extended = 0"""
            ),
            ids=list(self.ids),
        )

    async def captured(self, tx: Tx, payments: Sequence[Arrived]) -> Mapping[PaymentId, Effect]:
        if self.payable.before_effect is not None:
            await self.payable.before_effect()
        things = {thing.id: thing for thing in await read_things(tx, [payment.payable_id for payment in payments])}
        effects: dict[PaymentId, Effect] = {}
        for payment in payments:
            thing = things[BookingId.of(payment.payable_id)]
            if thing.status != "OPEN" or not (thing.is_live or thing.can_be_retaken):
                effects[payment.id] = TooLate()
            elif payment.amount != Amount(thing.currency, thing.fare + thing.fee):
                effects[payment.id] = Mismatch()
            elif self.payable.lapses:
                self.payable.lapses -= 1
                raise HoldLapsedMeanwhile
            else:
                effects[payment.id] = Settled()
                await tx.run(text("UPDATE things SET status = 'SOLD', sold = sold + 1 WHERE id = :id"), id=thing.id)
        return effects

    async def failed(self, tx: Tx, payments: Sequence[Arrived]) -> None:
        await tx.run(text("UPDATE things SET failed = failed + 1 WHERE id = ANY(:ids)"), ids=[payment.payable_id for payment in payments])


async def read_things(tx: Tx, ids: Sequence[UUID]) -> list[Thing]:
    return await tx.all(text(_READ), Thing, ids=list(ids))


@dataclass
class FewRoutes:
    """A program of some modules' routes, whose access tokens say who one is."""

    settings: Settings
    routers: Sequence[Router]
    root_routers: Sequence[Router] = ()
    lifespan: Sequence[Any] = ()
    sockets: Any = None

    async def verify(self, token: str) -> Actor:
        user, _, role = token.partition(".")
        if not role:
            raise NotSignedIn
        return Actor(UserId.parse(user), Role(role))


@dataclass
class Till:
    """The world. ``url`` is our edge, ``sandbox_url`` the other side of the gateway: the sandbox, where nothing else is said."""

    database: Database
    payments: PaymentsModule
    payable: ThingPayable
    payables: Payables
    gateway: SandboxGateway
    url: str
    sandbox_url: str
    client: httpx.AsyncClient
    outcomes: Outcomes
    workers: list[asyncio.Task[None]] = field(default_factory=list)

    async def thing(
        self, payer: Actor | None = None, *, fare: Amount | None = None, fee: Amount | None = None, can_be_retaken: bool = False
    ) -> Thing:
        """Something to pay for."""
        thing_id, fare = BookingId.new(), fare or egp(30)
        fee = fee or Amount(fare.currency, 100)
        async with self.database.transaction() as tx:
            await tx.run(
                text(
                    "INSERT INTO things (id, payer_id, payee_id, fare, fee, currency, can_be_retaken)"
                    " VALUES (:id, :payer, :payee, :fare, :fee, :currency, :retaken)"
                ),
                id=thing_id,
                payer=(payer or somebody()).id,
                payee=UserId.new(),
                fare=fare.minor,
                fee=fee.minor,
                currency=fare.currency,
                retaken=can_be_retaken,
            )
        return await self.now(thing_id)

    async def now(self, thing_id: UUID) -> Thing:
        async with self.database.transaction() as tx:
            found = await tx.first(text(_READ), Thing, ids=[thing_id])
        assert found is not None
        return found

    async def pay(self, thing: Thing, token: str, key: IdempotencyKey | None = None, origin: Origin = UNKNOWN_ORIGIN) -> PaymentAnswer:
        """Pay for a thing as its payer."""
        payer = Actor(thing.payer_id, Role.PASSENGER)
        return await self.payments.service.pay(payer, key or fresh_key(), (SOLD, thing.id), Method.CARD, token, origin)

    async def payment(self, payment_id: PaymentId) -> Payment:
        found = await self.payments.service.read(Actor(UserId.new(), Role.ADMIN), payment_id)
        return found.payment

    async def refunds(self, payment_id: PaymentId) -> tuple[Refund, ...]:
        found = await self.payments.service.read(Actor(UserId.new(), Role.ADMIN), payment_id)
        return found.refunds

    async def attempts(self, thing: Thing) -> tuple[Payment, ...]:
        async with self.database.transaction() as tx:
            return (await of(tx, SOLD, [thing.id]))[thing.id].payments

    def work(self) -> None:
        """Start a worker's loop."""
        self.workers.append(asyncio.create_task(self.payments.reconciler.run()))

    async def value(self, statement: str, **parameters: object) -> Any:
        async with self.database.transaction() as tx:
            return await tx.value(text(statement), **parameters)

    async def balances(self) -> dict[tuple[str, str], int]:
        """What each kind of account has, in minor units, by (kind, currency); without those that have nothing."""
        async with self.database.transaction() as tx:
            rows = await tx.rows(
                text(
                    "SELECT a.kind, a.currency, sum(e.amount)::bigint AS has"
                    " FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id GROUP BY 1, 2 HAVING sum(e.amount) <> 0"
                )
            )
        return {(row["kind"], row["currency"]): row["has"] for row in rows}

    async def check_books(self) -> None:
        """What must hold whatever happened (I3, I4, one effect for each thing, none lost)."""
        for wrong in _WRONG:
            assert not await self.value(wrong), wrong


_WRONG = (
    "SELECT 1 FROM ledger_entries GROUP BY transaction_id, currency HAVING sum(amount) <> 0",
    "SELECT 1 FROM things WHERE sold > 1",
    """SELECT 1 FROM payments p
         LEFT JOIN LATERAL (SELECT sum(amount) AS asked, sum(amount) FILTER (WHERE status = 'SUCCESS') AS done
                              FROM refunds WHERE payment_id = p.id) r ON true
        WHERE p.refund_amount <> coalesce(r.asked, 0) OR p.refunded_amount <> coalesce(r.done, 0)""",
    """SELECT 1 FROM payments p WHERE settlement IS NOT NULL
          AND NOT EXISTS (SELECT FROM ledger_transactions t WHERE t.id = p.id AND t.purpose = 'CAPTURE')""",
    "SELECT 1 FROM payments WHERE settlement <> 'KEPT' AND refund_amount <> captured_amount",
    """SELECT 1 FROM things t WHERE status = 'SOLD'
          AND NOT EXISTS (SELECT FROM payments p WHERE p.payable_id = t.id AND p.settlement = 'KEPT')""",
)


def somebody(role: Role = Role.PASSENGER) -> Actor:
    return Actor(UserId.new(), role)


def signed_in(actor: Actor) -> dict[str, str]:
    """The headers of somebody's request over HTTP, with a fresh key."""
    return {"Authorization": f"Bearer {actor.id}.{actor.role}", "Idempotency-Key": str(uuid4())}


def fresh_key() -> IdempotencyKey:
    return IdempotencyKey(str(uuid4()), b"fingerprint")


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 15.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sandbox_side(directory: Path, webhooks_url: str) -> AsyncIterator[tuple[SandboxGateway, str]]:
    """The sandbox, and our gateway before it."""
    app = create_sandbox(directory / "sandbox.sqlite3", SECRET, f"{webhooks_url}/sandbox", late_s=LATE_S, silence_s=TIMEOUT_S * 2)
    async with serving(app) as url:
        yield SandboxGateway(url, SECRET, timeout_s=TIMEOUT_S), url


OtherSide = Callable[[Path, str], AbstractAsyncContextManager[tuple[Any, str]]]


@asynccontextmanager
async def open_till(
    database: Database,
    owner: Database,
    directory: Path,
    other_side: OtherSide = sandbox_side,
    *,
    screening: Screening = NO_SCREENING,
    routers: Sequence[Router] = (),
) -> AsyncIterator[Till]:
    """Everything, in this process: the gateway's other side and the edge talk to each other over HTTP."""
    async with owner.transaction() as tx:
        await tx.run(text(_TABLE))
        await tx.run(text("GRANT SELECT, INSERT, UPDATE ON things TO holdfast_app"))
    edge = socket.create_server(("127.0.0.1", 0))
    edge_url = f"http://127.0.0.1:{edge.getsockname()[1]}"
    payable, payables = ThingPayable(), Payables()
    payables.add(SOLD, payable)
    async with other_side(directory, f"{edge_url}/api/v1/webhooks/gateways") as (gateway, sandbox_url):
        payments = module.build(database, payables, Gateways(gateway), screening=screening)
        program = FewRoutes(Settings(_env_file=None), [payments.router, *routers])  # type: ignore[call-arg]
        async with serving(create_app(program), edge), httpx.AsyncClient(base_url=f"{edge_url}/api/v1", trust_env=False) as client:
            till = Till(database, payments, payable, payables, gateway, edge_url, sandbox_url, client, Outcomes(database, payables))
            yield till
            for worker in till.workers:
                worker.cancel()
            await asyncio.gather(*till.workers, return_exceptions=True)
            await payments.close()
