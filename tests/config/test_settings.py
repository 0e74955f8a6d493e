"""Production is refused with anything that only development may have."""

import pytest

from holdfast.app.faults import Fault
from holdfast.app.settings import load_settings
from holdfast.config import DEVELOPMENT_SECRET

SAFE = {
    "HOLDFAST_ENV": "production",
    "DATABASE_URL": "postgresql://holdfast_app@db/holdfast",
    "HOLDFAST_TOKEN_KEY": "t" * 40,
    "HOLDFAST_VAULT_KEY": "v" * 40,
    "HOLDFAST_CODE_CHANNEL": "json://codes.example/{phone}",
}


def test_settings_of_ones_own_are_accepted() -> None:
    assert load_settings(**SAFE).is_production


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOLDFAST_TOKEN_KEY", DEVELOPMENT_SECRET),
        ("HOLDFAST_TOKEN_KEY", DEVELOPMENT_SECRET + " "),
        ("HOLDFAST_TOKEN_KEY", "short"),
        ("HOLDFAST_TOKEN_KEY", "v" * 40),
        ("HOLDFAST_VAULT_KEY", DEVELOPMENT_SECRET),
        ("HOLDFAST_VAULT_KEY", " " * 40),
        ("HOLDFAST_TOKEN_KEY_PREVIOUS", DEVELOPMENT_SECRET),
        ("HOLDFAST_VAULT_KEY_PREVIOUS", DEVELOPMENT_SECRET),
        ("HOLDFAST_CODE_CHANNEL", ""),
        ("DATABASE_URL", ""),
        ("HOLDFAST_SANDBOX_GATEWAY_URL", "http://127.0.0.1:9"),
        ("HOLDFAST_STRIPE_SECRET_KEY", "sk_test_of_nobody"),
        ("HOLDFAST_STRIPE_SECRET_KEY", "rk_test_of_nobody"),
        ("HOLDFAST_STRIPE_API_BASE", "http://127.0.0.1:9"),
        ("HOLDFAST_PAYMOB_SECRET_KEY", "egy_sk_test_of_nobody"),
    ],
)
def test_what_is_dangerous_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(Fault, match="Not safe for production"):
        load_settings(**{**SAFE, name: value})


def test_paypals_sandbox_is_refused_in_production() -> None:
    sandbox = {"HOLDFAST_PAYPAL_CLIENT_ID": "client", "HOLDFAST_PAYPAL_URL": "https://api-m.sandbox.paypal.com"}
    with pytest.raises(Fault, match="HOLDFAST_PAYPAL_URL"):
        load_settings(**{**SAFE, **sandbox})


def test_test_phones_end_with_loopback_and_with_production() -> None:
    assert load_settings().accepts_test_phones
    assert not load_settings(HOLDFAST_HOST="0.0.0.0").accepts_test_phones
    assert not load_settings(**SAFE).accepts_test_phones
