"""What the program is made of: every module, built in the order of the layers.

Nothing here decides anything. To add a kind of resource, a gateway, something to pay for or a channel, add its line below.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from litestar import Litestar, Router
from prometheus_client.registry import Collector

from holdfast.app.background import Loop, Step, in_background
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
from holdfast.fraud import module as fraud_module
from holdfast.inventory import POOL_WAIT_MS, Inventory
from holdfast.jobs import Job
from holdfast.ledger import module as ledger_module
from holdfast.limits import Limits
from holdfast.notifications import module as notifications_module
from holdfast.notifications.channels.sms import AppriseSender
from holdfast.payments import module as payments_module
from holdfast.payments.gateway import Gateway, Gateways
from holdfast.payments.gateways.paymob import Contact, PaymobGateway, PaymobKeys
from holdfast.payments.gateways.paypal import PayPalGateway
from holdfast.payments.gateways.sandbox import SandboxGateway
from holdfast.payments.models import Method
from holdfast.payments.payable import Payables
from holdfast.payouts import module as payouts_module
from holdfast.payouts.accounts.iban import normalized
from holdfast.payouts.accounts.models import Destination
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
    steps: Mapping[str, Step]
    """What the loops do over and over, one time each; tells how much it was."""
    jobs: Sequence[Job]
    gateways: Gateways
    count_overdue_differences: Callable[[], Awaitable[int]]
    measures: Sequence[Collector]
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

    personal_vault = PersonalVault(vault)
    audit = audit_module.build(database, personal_vault, heads=settings.audit_heads)
    users = users_module.build(database, personal_vault, default_region=settings.default_region)
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

    ledger = ledger_module.build(database, zone=settings.business_zone)
    inventory = Inventory()
    payables = Payables()
    fraud = fraud_module.build(database, vault)
    payments = payments_module.build(
        sales,
        payables,
        _gateways(settings),
        screening=fraud.screening,
        owes_max=Amount(CURRENCY, settings.driver_owes_max_piastres),
        refund_limit_minor=settings.refund_limit_minor,
        return_url=settings.payment_return_url or None,
    )

    clearing = clearing_module.build(database, payments.gateways, overdue_after=timedelta(hours=settings.difference_overdue_hours))
    wallets = wallets_module.build(database, currency=CURRENCY)
    payables.add(TOP_UP_KIND, wallets.payable)

    stations = stations_module.build(database, cache)
    routes = routes_module.build(database, cache, stations.registry)
    drivers = drivers_module.build(database, users.people, personal_vault)
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
        payments.cash,
        limits=HoldLimits(settings.live_holds_max, settings.unpaid_holds_max),
        gate=waiting.gate,
    )
    inventory.owner = bookings.hold_owner
    payables.add(PAYABLE_KIND, bookings.payable)

    payouts = payouts_module.build(
        database,
        SoldSessions(sessions.service),
        PersonalVault(vault),
        debtor=_debtor(settings),
        cooling=timedelta(hours=settings.payout_cooling_hours),
        zone=settings.business_zone,
    )
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
            ledger.router,
            payments.router,
            clearing.router,
            fraud.router,
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
        consumers=[notifications.consumer, fraud.consumer],
        followers=[stations.follower, routes.follower, sessions.follower, bookings.calling_off, bookings.show_holds],
        loops=[
            bookings.expiry.run,
            payments.reconciler.run,
            waiting.run,
            ledger.roll_up.run,
            ledger.days.run,
            audit.sealer.run,
            *([audit.publisher.run] if audit.publisher else []),
        ],
        steps={
            "expiry": bookings.expiry.expire_some,
            "outcomes": payments.reconciler.ask_for_unanswered,
            "refunds": payments.refunds.do_due,
            "webhooks": payments.inbox.apply_waiting,
            "cash": payments.cash.give_up,
            "seals": audit.sealer.seal_some,
        },
        jobs=[*auth.jobs, *payments.jobs, *clearing.jobs, *fraud.jobs],
        gateways=payments.gateways,
        count_overdue_differences=clearing.service.count_overdue,
        measures=[fraud.screening.fired],
        close=close,
    )


def _code_sender(settings: Settings) -> CodeSender:
    url = settings.code_channel.get_secret_value()
    try:
        return AppriseSender(url) if url else ConsoleSender()
    except ValueError as error:
        raise Fault(f"HOLDFAST_CODE_CHANNEL: {error}.") from error


def _debtor(settings: Settings) -> Destination | None:
    if not settings.payout_debtor_iban:
        return None
    try:
        iban = normalized(settings.payout_debtor_iban)
    except ValueError as error:
        raise Fault(f"HOLDFAST_PAYOUT_DEBTOR_IBAN: {error}.") from error
    if not settings.payout_debtor_name:
        raise Fault("HOLDFAST_PAYOUT_DEBTOR_NAME: set the name of whoever has the account that payouts are paid from.")
    return Destination(settings.payout_debtor_name, iban, settings.payout_debtor_bic or None)


def _gateways(settings: Settings) -> Gateways:
    gateways: list[Gateway] = []
    if settings.stripe_secret_key.get_secret_value():
        gateways.append(_stripe(settings))
    # Last, because `up` always has one, and of two that take a method the first is asked.
    if settings.sandbox_gateway_url:
        gateways.append(SandboxGateway(settings.sandbox_gateway_url, settings.sandbox_gateway_secret.get_secret_value()))
    if settings.paymob_secret_key.get_secret_value():
        gateways.append(_paymob(settings))
    if settings.paypal_client_id:
        gateways.append(_paypal(settings))
    wanted = settings.gateway_order.split(",")
    return Gateways(*sorted(gateways, key=lambda gateway: wanted.index(gateway.name) if gateway.name in wanted else len(wanted)))


def _stripe(settings: Settings) -> Gateway:
    # Stripe's library takes 30 MB, which only those should pay who use it.
    from holdfast.payments.gateways.stripe import StripeGateway

    webhook_secrets = [secret.strip() for secret in settings.stripe_webhook_secrets.get_secret_value().split(",") if secret.strip()]
    if not webhook_secrets:
        raise Fault("HOLDFAST_STRIPE_WEBHOOK_SECRETS: set it with HOLDFAST_STRIPE_SECRET_KEY, unsigned webhooks are never believed.")
    if not settings.payment_return_url:
        raise Fault("HOLDFAST_PAYMENT_RETURN_URL: set it, Stripe needs a page of yours to which payers come back from 3-D Secure.")
    return StripeGateway(settings.stripe_secret_key.get_secret_value(), webhook_secrets, api_base=settings.stripe_api_base or None)


def _paymob(settings: Settings) -> Gateway:
    keys = PaymobKeys(
        secret=settings.paymob_secret_key.get_secret_value(),
        public=settings.paymob_public_key,
        hmac=settings.paymob_hmac_secret.get_secret_value(),
        api=settings.paymob_api_key.get_secret_value(),
    )
    integrations = {Method.CARD: settings.paymob_card_integration, Method.MOBILE_WALLET: settings.paymob_wallet_integration}
    contact = Contact(settings.paymob_contact_phone, settings.paymob_contact_email)
    needed = {
        "HOLDFAST_PAYMOB_PUBLIC_KEY": keys.public,
        "HOLDFAST_PAYMOB_HMAC_SECRET": keys.hmac,
        "HOLDFAST_PAYMOB_API_KEY": keys.api,
        "HOLDFAST_PAYMOB_CARD_INTEGRATION": any(integrations.values()),
        "HOLDFAST_PAYMOB_CONTACT_PHONE": contact.phone,
        "HOLDFAST_PAYMOB_CONTACT_EMAIL": contact.email,
    }
    _demand(needed, beside="HOLDFAST_PAYMOB_SECRET_KEY")
    return PaymobGateway(
        settings.paymob_url,
        keys,
        {method: integration for method, integration in integrations.items() if integration},
        contact,
        callback_url=f"{settings.public_url}/api/v1/webhooks/gateways/{PaymobGateway.name}" if settings.public_url else None,
    )


def _paypal(settings: Settings) -> Gateway:
    secret = settings.paypal_secret.get_secret_value()
    needed = {"HOLDFAST_PAYPAL_SECRET": secret, "HOLDFAST_PAYPAL_WEBHOOK_ID": settings.paypal_webhook_id}
    _demand(needed, beside="HOLDFAST_PAYPAL_CLIENT_ID")
    return PayPalGateway(settings.paypal_url, settings.paypal_client_id, secret, settings.paypal_webhook_id)


def _demand(needed: Mapping[str, object], *, beside: str) -> None:
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise Fault(f"{', '.join(missing)}: set it too, or unset {beside}.")
