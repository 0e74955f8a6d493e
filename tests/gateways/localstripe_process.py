"""localstripe, a stateful Stripe of others (GPL-3.0, only run by tests), in a process of its own.

``python -m tests.gateways.localstripe_process PORT``. It is thinner than what we ask of Stripe, so three things are added to it here:
lists of intents can be narrowed by time, intents say what was received, and parameters that it does not know yet are left out. It also
writes no file, so that two can run.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_S = 20.0


@asynccontextmanager
async def localstripe() -> AsyncIterator[str]:
    """Run it on a free port of loopback; gives its address."""
    port = free_port()
    process = subprocess.Popen(  # noqa: ASYNC220 - it only forks.
        [sys.executable, "-m", "tests.gateways.localstripe_process", str(port)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(STARTS_WITHIN_S), httpx.AsyncClient(trust_env=False) as client:
            while not await _answers(client, url):
                assert process.poll() is None, "localstripe ended"
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/js.stripe.com/v3/")).status_code == 200
    except httpx.HTTPError:
        return False


def main(port: int) -> None:
    from aiohttp import web
    from localstripe.resources import PaymentIntent, store
    from localstripe.server import app

    create, list_all = PaymentIntent._api_create.__func__, PaymentIntent._api_list_all.__func__

    def create_intent(cls: Any, /, *, return_url: Any = None, allowed_payment_method_types: Any = None, **wanted: Any) -> Any:
        return create(cls, **wanted)

    def list_intents(cls: Any, /, url: str, *, created: Any = None, **wanted: Any) -> Any:
        page = list_all(cls, url, **wanted)
        bounds = created or {}
        least, most = float(bounds.get("gte", 0)), float(bounds.get("lte", "inf"))
        page._list = [intent for intent in reversed(page._list) if least <= intent.created <= most]
        return page

    PaymentIntent._api_create = classmethod(create_intent)
    PaymentIntent._api_list_all = classmethod(list_intents)
    PaymentIntent.amount_received = property(lambda intent: intent.amount if intent.status == "succeeded" else 0)
    store.dump_to_disk = lambda: None
    web.run_app(app, host="127.0.0.1", port=port, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
