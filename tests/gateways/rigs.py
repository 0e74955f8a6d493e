"""Every gateway that the contract holds to its promises. A new one joins with a line here."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.gateways.rig import Rig
from tests.gateways.sandbox_rig import sandbox_rig
from tests.gateways.stripe_rig import stripe_rig

RIGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Rig]]] = {"sandbox": sandbox_rig, "stripe": stripe_rig}
