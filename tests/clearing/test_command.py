"""``holdfast reconcile`` on a running installation."""

import asyncio
import importlib
from pathlib import Path

import pytest
from tests.payments.test_refunds import bought
from tests.payments.till import SECRET, Till

from holdfast.app.faults import Fault
from holdfast.app.settings import load_settings
from holdfast.clearing.models import DifferenceKind
from holdfast.config import Settings

# The package shows the function under the name of its file.
reconcile = importlib.import_module("holdfast.app.cli.reconcile")
HEAD = "reference,id,kind,gross,fee,net,currency,date\n"


@pytest.fixture
def settings(till: Till, database_url: str) -> Settings:
    return load_settings(DATABASE_URL=database_url, HOLDFAST_SANDBOX_GATEWAY_URL=till.sandbox_url, HOLDFAST_SANDBOX_GATEWAY_SECRET=SECRET)


async def test_a_settlement_file_is_booked_and_compared(till: Till, settings: Settings, tmp_path: Path) -> None:
    _, payment = await bought(till)
    good, file = await reconcile._reconcile(settings, None, None, None), tmp_path / "settled.csv"
    assert good == []
    file.write_text(f"{HEAD}ch_1,{payment.id},capture,31.00,0.93,30.07,EGP,2026-11-27\npo_1,,payout,-30.07,0,-30.07,EGP,2026-11-27\n")
    assert await reconcile._reconcile(settings, "sandbox", None, file) == []
    assert ("GATEWAY", "EGP") not in await till.balances()
    file.write_text(f"{HEAD}ch_2,{payment.id},capture,31.00,0.93,30.07,EGP,2026-11-27\n")
    found = await reconcile._reconcile(settings, "sandbox", None, file)
    assert [(gateway, each.kind) for gateway, each in found] == [("sandbox", DifferenceKind.DUPLICATE)]


async def test_faults_are_told_and_nothing_is_taken_in(till: Till, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "settled.csv"
    file.write_text(f"{HEAD}po_1,,payout,-1.00,0,-1.00,EGP,2026-11-27\npo_2,,payout,much,0,-1.00,EGP,2026-11-27\n")
    with pytest.raises(Fault, match="line 3: much is no number"):
        await reconcile._reconcile(settings, "sandbox", None, file)
    assert await till.value("SELECT count(*) FROM settlement_lines") == 0
    with pytest.raises(Fault, match="in use are sandbox"):
        await reconcile._reconcile(settings, "paypal", None, None)
    with pytest.raises(Fault, match="say with --gateway"):
        await asyncio.to_thread(reconcile.reconcile, None, None, file, None)
