"""Every setting, with its meaning, unit and default. ``docs/reference/settings.md`` is generated from this file."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEVELOPMENT_SECRET = "development-only-never-in-production"  # noqa: S105 - start is refused with it in production.
SECRET_LENGTH_MIN = 32


class Environment(StrEnum):
    DEVELOPMENT = "development"
    PRODUCTION = "production"


class UnsafeSettings(Exception):
    """The settings would be dangerous in production; the message names each and says what to set."""


class Settings(BaseSettings):
    """Settings of one process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, populate_by_name=True)

    env: Environment = Field(
        Environment.DEVELOPMENT, alias="HOLDFAST_ENV", description="`production` refuses to start with secrets meant for development."
    )

    database_url: str = Field(
        "", alias="DATABASE_URL", description="libpq URI of PostgreSQL 15 to 18 as the role `holdfast_app`. Unset: `up` starts its own."
    )
    database_owner_url: str = Field(
        "", alias="DATABASE_OWNER_URL", description="The same database as the role `holdfast_owner`, for `migrate`."
    )
    database_connections: int = Field(
        18,
        alias="HOLDFAST_DATABASE_CONNECTIONS",
        ge=6,
        le=200,
        description="Connections of each process at most: a sixth for holding, half for paying, the rest for all else."
        " The web server takes one more to see whether the database answers.",
    )
    redis_url: str = Field("", alias="REDIS_URL", description="Redis 6.2 or newer. Empty: everything works without it, a little slower.")

    host: str = Field("127.0.0.1", alias="HOLDFAST_HOST", description="Address the web server listens on.")
    port: int = Field(8000, alias="HOLDFAST_PORT", ge=0, le=65535, description="Port of the web server.")
    internal_port: int = Field(
        0,
        alias="HOLDFAST_INTERNAL_PORT",
        ge=0,
        le=65535,
        description="Port of `/livez`, `/readyz` and `/metrics`, on loopback. 0: the port of the web server plus one.",
    )
    public_url: str = Field(
        "",
        alias="HOLDFAST_PUBLIC_URL",
        description="The address under which people reach the program, for links. Empty: made from host and port.",
    )
    trusted_proxies: int = Field(
        0,
        alias="HOLDFAST_TRUSTED_PROXIES",
        ge=0,
        le=5,
        description="How many proxies in front add to X-Forwarded-For. 0: the header is ignored.",
    )

    requests_per_minute: int = Field(
        600,
        alias="HOLDFAST_REQUESTS_PER_MINUTE",
        ge=0,
        le=1_000_000,
        description="Requests that one person, or one address without sign-in, may make of each process in a minute. 0: no limit.",
    )

    token_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET),
        alias="HOLDFAST_TOKEN_KEY",
        description="Secret from which the Ed25519 key of access tokens is derived. At least 32 characters.",
    )
    token_key_previous: SecretStr = Field(
        SecretStr(""),
        alias="HOLDFAST_TOKEN_KEY_PREVIOUS",
        description="The secret before the present one: its tokens stay valid while you rotate.",
    )
    vault_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET),
        alias="HOLDFAST_VAULT_KEY",
        description="Secret that encrypts personal values in the database. At least 32 characters. Losing it loses them.",
    )
    vault_key_previous: SecretStr = Field(
        SecretStr(""),
        alias="HOLDFAST_VAULT_KEY_PREVIOUS",
        description="The secret before the present one, so that old values can still be read.",
    )

    access_token_minutes: int = Field(
        10, alias="HOLDFAST_ACCESS_TOKEN_MINUTES", ge=1, le=60, description="Life of an access token, in minutes."
    )
    refresh_token_days: int = Field(
        30, alias="HOLDFAST_REFRESH_TOKEN_DAYS", ge=1, le=365, description="Life of a refresh token, in days; each use starts it anew."
    )
    code_channel: SecretStr = Field(
        SecretStr(""),
        alias="HOLDFAST_CODE_CHANNEL",
        description="Apprise URL of the service that sends sign-in codes. Empty: codes go to the console, which production refuses.",
    )
    default_region: str = Field(
        "EG",
        alias="HOLDFAST_DEFAULT_REGION",
        pattern="^[A-Z]{2}$",
        description="ISO 3166 region of phone numbers written without a country code.",
    )
    test_phones: bool = Field(
        True,
        alias="HOLDFAST_TEST_PHONES",
        description="Accept code 000000 for +2010000xxxxx. Only while bound to loopback, never in production, never for an ADMIN.",
    )

    business_zone: str = Field(
        "Africa/Cairo",
        alias="HOLDFAST_BUSINESS_ZONE",
        description="IANA zone at whose midnight the days of the ledger, the weeks of payees and the days of batches begin.",
    )

    hold_seconds: int = Field(
        300, alias="HOLDFAST_HOLD_SECONDS", ge=1, le=3600, description="How long a seat is held before payment, in seconds."
    )
    live_holds_max: int = Field(3, alias="HOLDFAST_LIVE_HOLDS_MAX", ge=1, le=100, description="Live holds that one person may have.")
    waiting_turn_seconds: int = Field(
        300,
        alias="HOLDFAST_WAITING_TURN_SECONDS",
        ge=5,
        le=3600,
        description="How long somebody who was admitted from a waiting room has to hold, in seconds.",
    )
    waiting_joins_max: int = Field(
        20, alias="HOLDFAST_WAITING_JOINS_MAX", ge=1, le=1000, description="Turns that one person may have in one waiting room."
    )
    unpaid_holds_max: int = Field(
        5,
        alias="HOLDFAST_UNPAID_HOLDS_MAX",
        ge=1,
        le=1000,
        description="How often one person may hold seats of the same session within an hour and not pay for them.",
    )
    service_fee_piastres: int = Field(
        100, alias="HOLDFAST_SERVICE_FEE_PIASTRES", ge=0, le=100_000, description="Fee for a booking, once, in piastres."
    )

    driver_owes_max_piastres: int = Field(
        10_000,
        alias="HOLDFAST_DRIVER_OWES_MAX_PIASTRES",
        ge=0,
        description="How much a driver may owe of cash, in piastres, before nobody can pay him in cash.",
    )

    gateway_order: str = Field(
        "",
        alias="HOLDFAST_GATEWAY_ORDER",
        pattern="^[a-z_]*(,[a-z_]+)*$",
        description="Names of gateways, with commas: of several that take a method, the first that is on and answers is asked.",
    )
    difference_overdue_hours: int = Field(
        24,
        alias="HOLDFAST_DIFFERENCE_OVERDUE_HOURS",
        ge=1,
        le=720,
        description="From what age on admins are told of a difference between a gateway and our books, in hours.",
    )
    refund_limit_minor: int = Field(
        50_000,
        alias="HOLDFAST_REFUND_LIMIT_MINOR",
        ge=0,
        le=1_000_000_000,
        description="What one admin may give back of a payment alone, in minor units of its currency. Above it another one has to approve.",
    )
    payment_return_url: str = Field(
        "",
        alias="HOLDFAST_PAYMENT_RETURN_URL",
        pattern="^(https?://.+)?$",
        description="Where payers come back to after 3-D Secure: a page of your app. Empty: the gateway shows its own.",
    )
    sandbox_gateway_url: str = Field(
        "",
        alias="HOLDFAST_SANDBOX_GATEWAY_URL",
        description="Where the sandbox gateway listens. `up` starts one and sets this. Refused in production.",
    )
    sandbox_gateway_secret: SecretStr = Field(
        SecretStr(DEVELOPMENT_SECRET), alias="HOLDFAST_SANDBOX_GATEWAY_SECRET", description="Signs the sandbox gateway's webhooks."
    )

    audit_heads: Path | None = Field(
        None,
        alias="HOLDFAST_AUDIT_HEADS",
        description="Directory in which the worker publishes the head of the audit chain, one file a day. Unset: nowhere; `up` sets it.",
    )

    stripe_secret_key: SecretStr = Field(
        SecretStr(""), alias="HOLDFAST_STRIPE_SECRET_KEY", description="Secret key of your Stripe account. Set: cards are charged there."
    )
    stripe_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        alias="HOLDFAST_STRIPE_WEBHOOK_SECRETS",
        description="What Stripe signs its webhooks with (`whsec_...`); several, with commas between, while one replaces another.",
    )
    stripe_api_base: str = Field(
        "",
        alias="HOLDFAST_STRIPE_API_BASE",
        pattern="^(https?://.+)?$",
        description="Another server than Stripe's own, for tests. Refused in production.",
    )

    payout_debtor_name: str = Field(
        "",
        alias="HOLDFAST_PAYOUT_DEBTOR_NAME",
        pattern="^([^<>]{1,70})?$",
        description="Whose bank account payouts are paid from, as the bank has it.",
    )
    payout_debtor_iban: str = Field(
        "", alias="HOLDFAST_PAYOUT_DEBTOR_IBAN", description="The account that payouts are paid from. Empty: no batches are made."
    )
    payout_debtor_bic: str = Field(
        "",
        alias="HOLDFAST_PAYOUT_DEBTOR_BIC",
        pattern="^([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?)?$",
        description="The BIC of its bank. Empty: the IBAN has to do.",
    )
    payout_cooling_hours: int = Field(
        24,
        alias="HOLDFAST_PAYOUT_COOLING_HOURS",
        ge=0,
        le=720,
        description="How long no payout goes to a bank account that was named just now, in hours.",
    )

    paymob_url: str = Field(
        "https://accept.paymob.com",
        alias="HOLDFAST_PAYMOB_URL",
        pattern="^https?://.+[^/]$",
        description="Where Paymob listens. Paymob is used where its secret key is set; then the other credentials are needed too.",
    )
    paymob_secret_key: SecretStr = Field(
        SecretStr(""), alias="HOLDFAST_PAYMOB_SECRET_KEY", description="Paymob's secret key: makes pages to pay on, and gives money back."
    )
    paymob_public_key: str = Field("", alias="HOLDFAST_PAYMOB_PUBLIC_KEY", description="Paymob's public key, part of the page's address.")
    paymob_hmac_secret: SecretStr = Field(
        SecretStr(""), alias="HOLDFAST_PAYMOB_HMAC_SECRET", description="What Paymob signs its callbacks with."
    )
    paymob_api_key: SecretStr = Field(
        SecretStr(""),
        alias="HOLDFAST_PAYMOB_API_KEY",
        description="Paymob's older key, without which nobody is told what became of a payment.",
    )
    paymob_card_integration: int = Field(
        0, alias="HOLDFAST_PAYMOB_CARD_INTEGRATION", ge=0, description="Paymob's id of your integration for cards. 0: cards are not taken."
    )
    paymob_wallet_integration: int = Field(
        0,
        alias="HOLDFAST_PAYMOB_WALLET_INTEGRATION",
        ge=0,
        description="Paymob's id of your integration for mobile wallets. 0: they are not taken.",
    )
    paymob_contact_phone: str = Field(
        "", alias="HOLDFAST_PAYMOB_CONTACT_PHONE", description="A phone of yours: Paymob wants one of each payer, and is told this one."
    )
    paymob_contact_email: str = Field("", alias="HOLDFAST_PAYMOB_CONTACT_EMAIL", description="The same with an e-mail address.")

    paypal_url: str = Field(
        "https://api-m.paypal.com",
        alias="HOLDFAST_PAYPAL_URL",
        pattern="^https?://.+[^/]$",
        description="Where PayPal listens; its test system is `https://api-m.sandbox.paypal.com`, which production refuses."
        " PayPal is used where a client id is set. It takes no EGP: such payments are declined.",
    )
    paypal_client_id: str = Field("", alias="HOLDFAST_PAYPAL_CLIENT_ID", description="PayPal's id of your app.")
    paypal_secret: SecretStr = Field(SecretStr(""), alias="HOLDFAST_PAYPAL_SECRET", description="PayPal's secret of your app.")
    paypal_webhook_id: str = Field(
        "",
        alias="HOLDFAST_PAYPAL_WEBHOOK_ID",
        description="PayPal's id of the webhook that you entered there; its messages are signed for it.",
    )

    log_level: str = Field(
        "info", alias="HOLDFAST_LOG_LEVEL", pattern="^(debug|info|warning|error)$", description="Least level that is logged."
    )
    log_json: bool = Field(
        False, alias="HOLDFAST_LOG_JSON", description="One JSON object a line instead of text for people. Always on in production."
    )

    bench_endpoint: bool = Field(
        False,
        alias="HOLDFAST_BENCH_ENDPOINT",
        description="A route that signs in, validates and does nothing, for `bench` to compare with. Refused in production.",
    )

    @property
    def is_production(self) -> bool:
        return self.env is Environment.PRODUCTION

    @property
    def is_loopback(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")

    @property
    def accepts_test_phones(self) -> bool:
        return self.test_phones and self.is_loopback and not self.is_production

    @property
    def hold_lifetime(self) -> timedelta:
        return timedelta(seconds=self.hold_seconds)

    def _secrets_in_use(self) -> list[tuple[str, str]]:
        """Those that sign or encrypt, by the name of their setting; the previous ones where there are any."""
        present = [("HOLDFAST_TOKEN_KEY", self.token_key), ("HOLDFAST_VAULT_KEY", self.vault_key)]
        previous = [("HOLDFAST_TOKEN_KEY_PREVIOUS", self.token_key_previous), ("HOLDFAST_VAULT_KEY_PREVIOUS", self.vault_key_previous)]
        return [(name, key.get_secret_value()) for name, key in [*present, *previous] if key.get_secret_value() or (name, key) in present]

    @field_validator("business_zone")
    @classmethod
    def _know_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("no zone of the IANA database, such as Africa/Cairo") from None

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if not self.is_production:
            return self
        faults = [
            f"{name}: set a secret of your own, at least 32 characters (python3 -c 'import secrets; print(secrets.token_urlsafe(32))')"
            for name, secret in self._secrets_in_use()
            if DEVELOPMENT_SECRET in secret or len(secret.strip()) < SECRET_LENGTH_MIN
        ]
        if self.token_key.get_secret_value() == self.vault_key.get_secret_value():
            faults.append("HOLDFAST_VAULT_KEY: set another secret than HOLDFAST_TOKEN_KEY")
        if not self.code_channel.get_secret_value():
            faults.append("HOLDFAST_CODE_CHANNEL: set an Apprise URL, sign-in codes must not be printed to a console")
        if not self.database_url:
            faults.append("DATABASE_URL: set it, production does not run on the embedded PostgreSQL")
        if self.sandbox_gateway_url:
            faults.append("HOLDFAST_SANDBOX_GATEWAY_URL: unset it, the sandbox takes no real money")
        if self.stripe_secret_key.get_secret_value().startswith(("sk_test_", "rk_test_")):
            faults.append("HOLDFAST_STRIPE_SECRET_KEY: set the live key, the test key takes no real money")
        if self.stripe_api_base:
            faults.append("HOLDFAST_STRIPE_API_BASE: unset it, only Stripe itself takes real money")
        if "_test_" in self.paymob_secret_key.get_secret_value():
            faults.append("HOLDFAST_PAYMOB_SECRET_KEY: set the live key, the test key takes no real money")
        if self.paypal_client_id and "sandbox" in self.paypal_url:
            faults.append("HOLDFAST_PAYPAL_URL: unset it, PayPal's sandbox takes no real money")
        if self.bench_endpoint:
            faults.append("HOLDFAST_BENCH_ENDPOINT: unset it, nobody needs a route that does nothing")
        if faults:
            raise UnsafeSettings("Not safe for production:\n  " + "\n  ".join(faults))
        return self
