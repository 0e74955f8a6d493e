"""Delivers the sandbox's webhooks, and does what was put off.

A message is signed as Standard Webhooks does: ``webhook-signature: v1,`` and the base 64 of an HMAC-SHA256 over
``id.timestamp.body``. It is sent again, each time later, until it is answered with 2xx.
"""

import asyncio
import base64
import hmac
import time
from typing import TYPE_CHECKING

import httpx
import structlog

from holdfast.app.sandbox.store import Message

if TYPE_CHECKING:
    from holdfast.app.sandbox.http import Sandbox

AT_ONCE_MAX = 50
TIMEOUT_S = 10.0
IDLE_WAIT_S = 1.0

log = structlog.get_logger()


class Courier:
    """The loop of one sandbox process."""

    def __init__(self, sandbox: "Sandbox", secret: str, webhook_url: str | None) -> None:
        self._sandbox = sandbox
        self._secret = secret.encode()
        self._url = webhook_url

    async def run(self) -> None:
        """Work until cancelled."""
        # A proxy of this machine's environment has no business between two of its processes.
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            while True:
                try:
                    await self._work(client)
                except Exception:
                    log.exception("courier_failed")
                    await asyncio.sleep(IDLE_WAIT_S)

    async def _work(self, client: httpx.AsyncClient) -> None:
        store = self._sandbox.store
        self._sandbox.something_due.clear()
        await self._sandbox.ask(store.decide_due)
        messages = await self._sandbox.ask(store.due_messages, AT_ONCE_MAX) if self._url else []
        if not messages:
            await self._wait()
            return
        answers = await asyncio.gather(*(self._deliver(client, message) for message in messages))
        await self._sandbox.ask(store.delivered, list(zip(messages, answers, strict=True)))

    async def _wait(self) -> None:
        due_in = await self._sandbox.ask(self._sandbox.store.next_due_in) if self._url else None
        wait_s = IDLE_WAIT_S if due_in is None else min(max(due_in, 0.01), IDLE_WAIT_S)
        try:
            async with asyncio.timeout(wait_s):
                await self._sandbox.something_due.wait()
        except TimeoutError:
            return

    async def _deliver(self, client: httpx.AsyncClient, message: Message) -> bool:
        """Whether it was accepted."""
        assert self._url is not None
        secret = b"not the secret" if message.is_forged else self._secret
        try:
            answer = await client.post(self._url, content=message.body, headers=signed(secret, message.id, message.body.encode()))
        except httpx.HTTPError:
            return False
        return answer.is_success


def signed(secret: bytes, message_id: str, body: bytes) -> dict[str, str]:
    """The headers of a message."""
    timestamp = str(int(time.time()))
    digest = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
