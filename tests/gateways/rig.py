"""What the contract of gateways needs of each: the gateway, what makes its other side do this or that, and what that sent to us."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import pytest
from tests.payments.till import until

from holdfast.common.money import Amount
from holdfast.payments.gateway import Fact, ForgedWebhook, Gateway, WebhookFact
from holdfast.payments.models import PaymentId


class Behaviour(StrEnum):
    """What the other side does with the next charge, or with its refund."""

    SUCCESS = "success"
    DECLINED = "declined"
    THREE_D_SECURE = "3-D Secure"
    TIMEOUT_DONE = "timeout though done"
    TIMEOUT_NOT_DONE = "timeout, not done"
    ERROR_DONE = "error though done"
    CUT_DONE = "cut though done"
    NONSENSE_DONE = "nonsense though done"
    TOO_MANY = "too many requests"
    KEY_PRUNED = "key forgotten"
    LATE = "late"
    LOST_WEBHOOK = "lost webhook"
    DOUBLE_WEBHOOK = "double webhook"
    FORGED_WEBHOOK = "forged webhook"
    REFUND_FAILS = "refund fails"
    REFUND_LATE = "refund is late"
    REFUND_ERROR_DONE = "refund error though done"
    REFUND_TIMEOUT_DONE = "refund timeout though done"
    REFUND_TOO_MANY = "refund, too many requests"


@dataclass
class Post:
    """An address of ours, and what was sent to it."""

    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        body, more = b"", True
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        self.messages.append(({name.decode().lower(): value.decode() for name, value in scope["headers"]}, body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def aged(ago: timedelta) -> PaymentId:
    """A payment's id that was made a while ago."""
    return PaymentId.of(UUID(int=PaymentId.new().int - (int(ago.total_seconds() * 1000) << 80)))


class Rig(ABC):
    """A gateway under test. ``unreachable`` is the same gateway, with nobody at the other end."""

    lacks: ClassVar[Mapping[Behaviour, str]] = {}
    """What the other side cannot be made to do, and why: the rows of these are skipped with that reason."""

    largest: ClassVar[Amount] = Amount("EGP", 10**12)

    def __init__(self, gateway: Gateway, unreachable: Gateway, post: Post) -> None:
        self.gateway = gateway
        self.unreachable = unreachable
        self.post = post

    @abstractmethod
    async def prepare(self, behaviour: Behaviour) -> str:
        """Make the other side behave so, and give the source to be charged."""

    @abstractmethod
    async def approve(self, page: str) -> None:
        """Be a payer who says yes on the page for 3-D Secure."""

    async def turn_clock(self, by: timedelta) -> None:
        """Move the other side's clock away from ours."""
        raise NotImplementedError

    async def source(self, behaviour: Behaviour) -> str:
        """What to charge for a behaviour; skips the test where the other side does not know it."""
        if behaviour in self.lacks:
            pytest.skip(self.lacks[behaviour])
        return await self.prepare(behaviour)

    def genuine(self) -> list[WebhookFact]:
        """The genuine messages that came and say something."""
        read: list[WebhookFact] = []
        for headers, body in self.post.messages:
            try:
                read += self.gateway.read_webhook(headers, body)
            except ForgedWebhook:
                continue
        return [message for message in read if message.facts]

    def facts(self) -> list[Fact]:
        return [fact for message in self.genuine() for fact in message.facts]

    async def is_told(self, *wanted: Fact) -> None:
        """Wait until messages have said so."""

        async def is_so() -> bool:
            return all(fact in self.facts() for fact in wanted)

        await until(is_so)
