"""A till that pays through any gateway, with our edge in front, so that what a gateway sends arrives as it would."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import text
from tests.payments.till import _TABLE, SOLD, FewRoutes, ThingPayable, Till
from tests.servers import serving

from holdfast.app.http import create_app
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.payments import module
from holdfast.payments.gateway import Gateways
from holdfast.payments.outcomes import Outcomes
from holdfast.payments.payable import Payables


@asynccontextmanager
async def open_counter(database: Database, owner: Database, gateway: Any, *, return_url: str | None = None) -> AsyncIterator[Till]:
    """``till.url`` is where gateways find our edge. The gateway is closed by whoever opened it."""
    async with owner.transaction() as tx:
        await tx.run(text(_TABLE))
        await tx.run(text("GRANT SELECT, INSERT, UPDATE ON things TO holdfast_app"))
    edge = socket.create_server(("127.0.0.1", 0))
    edge_url = f"http://127.0.0.1:{edge.getsockname()[1]}"
    payable, payables = ThingPayable(), Payables()
    payables.add(SOLD, payable)
    payments = module.build(database, payables, Gateways(gateway), return_url=return_url)
    program = FewRoutes(Settings(_env_file=None), [payments.router])  # type: ignore[call-arg]
    async with serving(create_app(program), edge), httpx.AsyncClient(base_url=f"{edge_url}/api/v1", trust_env=False) as client:
        till = Till(database, payments, payable, payables, gateway, edge_url, "", client, Outcomes(database, payables))
        yield till
        for worker in till.workers:
            worker.cancel()
        await asyncio.gather(*till.workers, return_exceptions=True)
