"""Which gateways the settings bring, and that half of the credentials is a fault and not a surprise for the first payer."""

import pytest

from holdfast.app.faults import Fault
from holdfast.app.wiring import build_program
from holdfast.config import Settings
from holdfast.payments.models import Method

DATABASE = {"DATABASE_URL": "postgresql://holdfast_app@127.0.0.1:1/none"}
PAYMOB = {
    "HOLDFAST_PAYMOB_SECRET_KEY": "egy_sk_test_of_nobody",
    "HOLDFAST_PAYMOB_PUBLIC_KEY": "egy_pk_test_of_nobody",
    "HOLDFAST_PAYMOB_HMAC_SECRET": "hmac",
    "HOLDFAST_PAYMOB_API_KEY": "api",
    "HOLDFAST_PAYMOB_CARD_INTEGRATION": "1",
    "HOLDFAST_PAYMOB_CONTACT_PHONE": "+20 2 1234 5678",
    "HOLDFAST_PAYMOB_CONTACT_EMAIL": "pay@holdfast.example",
}
PAYPAL = {"HOLDFAST_PAYPAL_CLIENT_ID": "client", "HOLDFAST_PAYPAL_SECRET": "secret", "HOLDFAST_PAYPAL_WEBHOOK_ID": "WH-1"}


async def test_credentials_bring_their_gateways() -> None:
    program = build_program(Settings(_env_file=None, **DATABASE, **PAYMOB, **PAYPAL))  # type: ignore[arg-type, call-arg]
    assert program.gateways.names() == ["paymob", "paypal"]
    assert program.gateways.methods() == [Method.CARD, Method.PAYPAL]
    await program.close()


@pytest.mark.parametrize("missing", [*list(PAYMOB)[1:], *list(PAYPAL)[1:]])
async def test_half_of_them_is_a_fault_that_names_the_rest(missing: str) -> None:
    given = {name: value for name, value in {**PAYMOB, **PAYPAL}.items() if name != missing}
    with pytest.raises(Fault, match=missing):
        build_program(Settings(_env_file=None, **DATABASE, **given))  # type: ignore[arg-type, call-arg]
