"""The sandbox, which is a token for each behaviour."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import httpx
from tests.gateways.rig import Behaviour, Post, Rig
from tests.payments.till import LATE_S, SECRET, TIMEOUT_S
from tests.servers import serving

from holdfast.app.sandbox.http import create_sandbox
from holdfast.payments.gateways.sandbox import SandboxGateway

_TOKENS = {
    Behaviour.SUCCESS: "tok_success",
    Behaviour.DECLINED: "tok_decline_insufficient_funds",
    Behaviour.THREE_D_SECURE: "tok_3ds",
    Behaviour.TIMEOUT_DONE: "tok_timeout_done",
    Behaviour.TIMEOUT_NOT_DONE: "tok_timeout_not_done",
    Behaviour.ERROR_DONE: "tok_error_500_done",
    Behaviour.LATE: "tok_late_webhook",
    Behaviour.LOST_WEBHOOK: "tok_lost_webhook",
    Behaviour.DOUBLE_WEBHOOK: "tok_double_webhook",
    Behaviour.FORGED_WEBHOOK: "tok_forged_webhook",
    Behaviour.REFUND_FAILS: "tok_refund_declined",
    Behaviour.REFUND_LATE: "tok_refund_pending",
    Behaviour.REFUND_ERROR_DONE: "tok_refund_error_500_done",
    Behaviour.REFUND_TIMEOUT_DONE: "tok_refund_timeout_done",
}


class SandboxRig(Rig):
    lacks: ClassVar = {
        Behaviour.CUT_DONE: "the sandbox answers or is silent, it breaks no connection",
        Behaviour.NONSENSE_DONE: "the sandbox makes sense",
        Behaviour.TOO_MANY: "the sandbox has no limit of requests",
        Behaviour.REFUND_TOO_MANY: "the sandbox has no limit of requests",
        Behaviour.KEY_PRUNED: "the sandbox forgets no key",
    }

    async def prepare(self, behaviour: Behaviour) -> str:
        return _TOKENS[behaviour]

    async def approve(self, page: str) -> None:
        async with httpx.AsyncClient(trust_env=False) as browser:
            assert (await browser.post(page, data={"decision": "approve"})).status_code == 303


@asynccontextmanager
async def sandbox_rig(directory: Path) -> AsyncIterator[Rig]:
    post = Post()
    async with serving(post) as post_url:
        app = create_sandbox(directory / "sandbox.sqlite3", SECRET, f"{post_url}/", late_s=LATE_S, silence_s=TIMEOUT_S * 2)
        async with serving(app) as url:
            gateway = SandboxGateway(url, SECRET, timeout_s=TIMEOUT_S)
            unreachable = SandboxGateway("http://127.0.0.1:1", SECRET, timeout_s=TIMEOUT_S)
            yield SandboxRig(gateway, unreachable, post)
            await gateway.close()
            await unreachable.close()
