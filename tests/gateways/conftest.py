"""One gateway after the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.gateways.stripe_rig import StripeRig, stripe_rig


@pytest.fixture
async def stripe(tmp_path: Path) -> AsyncIterator[StripeRig]:
    async with stripe_rig(tmp_path) as opened:
        yield opened
