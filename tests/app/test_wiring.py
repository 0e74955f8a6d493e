"""Which gateways the settings bring, and which settings belong together."""

import pytest

from holdfast.app.faults import Fault
from holdfast.app.settings import load_settings
from holdfast.app.wiring import build_program
from holdfast.payments.models import Method

STRIPE = {
    "HOLDFAST_STRIPE_SECRET_KEY": "sk_test_of_nobody",
    "HOLDFAST_STRIPE_WEBHOOK_SECRETS": "whsec_new, whsec_old",
    "HOLDFAST_PAYMENT_RETURN_URL": "https://holdfast.example/paid",
    "HOLDFAST_SANDBOX_GATEWAY_URL": "http://127.0.0.1:9",
}


async def test_stripe_is_asked_before_the_sandbox() -> None:
    program = build_program(load_settings(**STRIPE))
    assert program.gateways.names() == ["stripe", "sandbox"]
    taking = program.gateways.taking(Method.CARD)
    assert taking is not None
    assert taking.name == "stripe"
    await program.close()


async def test_stripe_is_not_there_without_its_key() -> None:
    program = build_program(load_settings(HOLDFAST_SANDBOX_GATEWAY_URL="http://127.0.0.1:9"))
    assert program.gateways.names() == ["sandbox"]
    await program.close()


@pytest.mark.parametrize("name", ["HOLDFAST_STRIPE_WEBHOOK_SECRETS", "HOLDFAST_PAYMENT_RETURN_URL"])
def test_stripe_is_refused_without_what_it_needs(name: str) -> None:
    with pytest.raises(Fault, match=name):
        build_program(load_settings(**{**STRIPE, name: ""}))
