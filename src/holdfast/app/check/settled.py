"""What the gateways themselves say that they took and gave back."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from holdfast.payments.gateway import Gateway, GatewayDown, SettledItem


class Statement(Struct, frozen=True):
    """The movements at all gateways from ``since`` on, as told at ``listed_at``. ``silent`` names those that did not answer."""

    since: datetime
    listed_at: datetime
    items: Sequence[tuple[str, SettledItem]] = ()
    asked: Sequence[str] = ()
    silent: Sequence[str] = ()

    def parameters(self) -> dict[str, object]:
        """As the statements of ``queries.sql`` want it."""
        return {
            "gateways": list(self.asked),
            "settled_since": self.since,
            "listed_at": self.listed_at,
            "settled_gateways": [gateway for gateway, _ in self.items],
            "settled_kinds": [item.kind.value for _, item in self.items],
            "settled_ids": [item.id for _, item in self.items],
            "settled_payments": [item.payment for _, item in self.items],
            "settled_currencies": [item.amount.currency for _, item in self.items],
            "settled_amounts": [item.amount.minor for _, item in self.items],
            "settled_ats": [item.at for _, item in self.items],
        }


async def ask_gateways(gateways: Sequence[Gateway], since: datetime, now: datetime) -> Statement:
    """Ask each gateway for its movements. Call it outside of any transaction, before the snapshot to compare with is taken."""
    items: list[tuple[str, SettledItem]] = []
    asked, silent = [], []
    for gateway in gateways:
        try:
            found = [item async for item in gateway.list_settled(since)]
        except GatewayDown:
            silent.append(gateway.name)
            continue
        asked.append(gateway.name)
        items += [(gateway.name, item) for item in found]
    return Statement(since, now, items, asked, silent)
