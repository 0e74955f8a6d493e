"""What the program is made of: every module, built in the order of the layers.

Nothing here decides anything. To add a kind of resource, a gateway, something to pay for or a channel, add its line below.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from litestar import Litestar, Router

from holdfast.app.background import Loop, in_background
from holdfast.app.bench import endpoint as bench_endpoint
from holdfast.app.edge.asgi import App
from holdfast.app.faults import Fault
from holdfast.audit import module as audit_module
from holdfast.auth import module as auth_module
from holdfast.auth.keys import TokenKeys
from holdfast.auth.sender import CodeSender, ConsoleSender
from holdfast.bookings import module as bookings_module
from holdfast.bookings.desk import HoldLimits
from holdfast.bookings.models import PAYABLE_KIND
from holdfast.cache import Cache, Marks, RedisLink
from holdfast.clearing import module as clearing_module
from holdfast.common.guards import Verify
from holdfast.common.money import Amount
from holdfast.complaints import module as complaints_module
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.drivers import module as drivers_module
from holdfast.events import Consumer, Follower
from holdfast.inventory import POOL_WAIT_MS, Inventory
from holdfast.jobs import Job
from holdfast.limits import Limits
from holdfast.notifications import module as notifications_module
from holdfast.notifications.channels.sms import AppriseSender
from holdfast.payments import module as payments_module
from holdfast.payments.gateway import Gateway, Gateways
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.payable import Payables
from holdfast.payouts import module as payouts_module
from holdfast.payouts.sessions import SoldSessions
from holdfast.realtime import module as realtime_module
from holdfast.reports import module as reports_module
from holdfast.resources.kind import Kinds
from holdfast.routes import module as routes_module
from holdfast.sessions import module as sessions_module
from holdfast.stations import module as stations_module
from holdfast.users import module as users_module
from holdfast.vault import PersonalVault, Vault
from holdfast.waiting import module as waiting_module
from holdfast.waiting.owners import SessionOwners
from holdfast.waiting.tickets import Tickets
from holdfast.wallets import module as wallets_module
from holdfast.wallets.models import TOP_UP_KIND

CURRENCY = "EGP"


@dataclass(frozen=True)
class Program:
    """Everything, ready to be run: by the web server (``app/http.py``) or by the worker (``app/worker.py``)."""

    settings: Settings
    database: Database
    routers: Sequence[Router]
    root_routers: Sequence[Router]
    verify: Verify
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[object]]]
    sockets: App | None
    consumers: Sequence[Consumer]
    followers: Sequence[Follower]
    loops: Sequence[Loop]
    jobs: Sequence[Job]
    gateways: Gateways
    count_overdue_differences: Callable[[], Awaitable[int]]
    close: Callable[[], Awaitable[None]]


def build_program(settings: Settings) -> Program:
    """Build every module. Connects to nothing yet."""
    # Whoever sells stands in no line behind people who look around, and whoever holds in none behind those who pay.
    sixth = settings.database_connections // 6
    desk_database = Database(settings.database_url, connections=sixth, readers=0, name="holdfast desk", lock_timeout_ms=POOL_WAIT_MS)
    sales = Database(settings.database_url, connections=3 * sixth, name="holdfast sales")
    rest = settings.database_connections - 4 * sixth
    database = Database(settings.database_url, connections=rest, readers=rest // 2)
    redis = RedisLink(settings.redis_url)
    marks = Marks(redis)
    limits = Limits(database, redis)
    vault = Vault(settings.vault_key.get_secret_value(), settings.vault_key_previous.get_secret_value())

    cache = Cache(redis)

    audit = audit_module.build(database)
    users = users_module.build(database, default_region=settings.default_region)
    auth = auth_module.build(
        database,
        users.people,
        limits,
        vault,
        TokenKeys(settings.token_key.get_secret_value(), settings.token_key_previous.get_secret_value()),
        _code_sender(settings),
        issuer=settings.public_url or "holdfast",
        access_lifetime=timedelta(minutes=settings.access_token_minutes),
        refresh_lifetime=timedelta(days=settings.refresh_token_days),
        default_region=settings.default_region,
        accepts_test_phones=settings.accepts_test_phones,
    )

    inventory = Inventory()
    payables = Payables()
    payments = payments_module.build(
        sales, payables, _gateways(settings), return_url=settings.payment_return_url or None, refund_limit_minor=settings.refund_limit_minor
    )

    clearing = clearing_module.build(database, payments.gateways, overdue_after=timedelta(hours=settings.difference_overdue_hours))
    wallets = wallets_module.build(database, currency=CURRENCY)
    payables.add(TOP_UP_KIND, wallets.payable)

    stations = stations_module.build(database, cache)
    routes = routes_module.build(database, cache, stations.registry)
    drivers = drivers_module.build(database, users.people, PersonalVault(vault))
    sessions = sessions_module.build(
        database,
        inventory,
        hold_lifetime=settings.hold_lifetime,
        service_fee=Amount(CURRENCY, settings.service_fee_piastres),
    )
    kinds = Kinds(sessions.kind)

    waiting = waiting_module.build(
        database,
        Tickets(settings.token_key.get_secret_value(), settings.token_key_previous.get_secret_value()),
        SessionOwners(sessions.service),
        turn=timedelta(seconds=settings.waiting_turn_seconds),
        joins_max=settings.waiting_joins_max,
    )
    bookings = bookings_module.build(
        sales,
        desk_database,
        inventory,
        kinds,
        marks,
        limits=HoldLimits(settings.live_holds_max, settings.unpaid_holds_max),
        gate=waiting.gate,
    )
    inventory.owner = bookings.hold_owner
    payables.add(PAYABLE_KIND, bookings.payable)

    payouts = payouts_module.build(database, SoldSessions(sessions.service))
    reports = reports_module.build(database)
    complaints = complaints_module.build(database, bookings.service)
    notifications = notifications_module.build(database, kinds)

    realtime = realtime_module.build(database, auth.sign_in_of)

    async def close() -> None:
        await payments.close()
        await redis.close()
        for connections in (desk_database, sales, database):
            await connections.close()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with in_background([auth.follow, realtime.run, waiting.run]):
            try:
                yield
            finally:
                await close()

    return Program(
        settings=settings,
        database=database,
        routers=[
            auth.router,
            users.router,
            audit.router,
            payments.router,
            clearing.router,
            wallets.router,
            stations.router,
            routes.router,
            drivers.router,
            sessions.router,
            waiting.router,
            bookings.router,
            payouts.router,
            reports.router,
            complaints.router,
            notifications.router,
            *([bench_endpoint.router()] if settings.bench_endpoint else []),
        ],
        root_routers=[auth.root_router],
        verify=auth.verify,
        lifespan=[lifespan],
        sockets=realtime.app,
        consumers=[notifications.consumer],
        followers=[stations.follower, routes.follower, sessions.follower, bookings.calling_off, bookings.show_holds],
        loops=[bookings.expiry.run, payments.reconciler.run, waiting.run],
        jobs=[*auth.jobs, *payments.jobs, *clearing.jobs],
        gateways=payments.gateways,
        count_overdue_differences=clearing.service.count_overdue,
        close=close,
    )


def _code_sender(settings: Settings) -> CodeSender:
    url = settings.code_channel.get_secret_value()
    try:
        return AppriseSender(url) if url else ConsoleSender()
    except ValueError as error:
        raise Fault(f"HOLDFAST_CODE_CHANNEL: {error}.") from error


def _gateways(settings: Settings) -> Gateways:
    gateways: list[Gateway] = []
    if settings.sandbox_gateway_url:
        gateways.append(SandboxGateway(settings.sandbox_gateway_url, settings.sandbox_gateway_secret.get_secret_value()))
    wanted = settings.gateway_order.split(",")
    return Gateways(*sorted(gateways, key=lambda gateway: wanted.index(gateway.name) if gateway.name in wanted else len(wanted)))
