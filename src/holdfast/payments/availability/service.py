"""The choice of a gateway: the first that takes the method, is not switched off, and has answered lately.

All of it stands in the database and is read in the transaction that begins a payment, so every process sees a switch at once, and of
all processes together one payment tries a gateway that did not answer. A payment that has begun stays with its gateway.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from holdfast import audit, idempotency
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.availability import repository
from holdfast.payments.availability.errors import MethodUnavailable
from holdfast.payments.availability.models import Standing, Switch, SwitchKind
from holdfast.payments.errors import GatewayUnknown
from holdfast.payments.gateway import Gateway, Gateways, Outcome, Unknown
from holdfast.payments.models import Method
from holdfast.payments.repository import DATABASE_AWAY

FAILURES_MAX = 5
OPEN_FOR = timedelta(seconds=15)
TRIAL_LASTS = timedelta(seconds=15)
"""Longer than a call to a gateway may take: a trial whose process died is over then, and another may be made."""

log = structlog.get_logger()


class Availability:
    """What payments ask about gateways, and what admins switch."""

    def __init__(self, database: Database, gateways: Gateways) -> None:
        self._database = database
        self._gateways = gateways
        self._failing: set[str] = set()

    async def choose(self, tx: Tx, method: Method) -> Gateway:
        """Who is asked for a payment with this method, in the transaction that begins it. Raises MethodUnavailable."""
        standings = await repository.standings(tx, self._gateways.taking_in_order(method), method)
        self._failing = {standing.gateway for standing in standings if standing.failures}
        for standing in standings:
            if standing.is_off or standing.is_open:
                continue
            if not standing.is_half_open or await repository.take_trial(tx, standing.gateway, lasts=TRIAL_LASTS):
                return self._gateways[standing.gateway]
        raise MethodUnavailable(method=method.value)

    async def require_on(self, tx: Tx, method: Method) -> None:
        """For a method that asks no gateway. Raises MethodUnavailable where it is switched off."""
        if await repository.is_off(tx, method):
            raise MethodUnavailable(method=method.value)

    async def heard(self, gateway: str, outcome: Outcome) -> None:
        """What came of asking a gateway to charge. No answer is a failure; a no is an answer."""
        is_failure = isinstance(outcome, Unknown)
        if not is_failure and gateway not in self._failing:
            return
        try:
            async with self._database.transaction() as tx:
                if not is_failure:
                    await repository.forget_failures(tx, gateway)
                elif await repository.count_failure(tx, gateway, failures_max=FAILURES_MAX, lasts=OPEN_FOR):
                    log.error("gateway_not_asked", gateway=gateway, seconds=OPEN_FOR.total_seconds())
        except DATABASE_AWAY as error:
            # It is a count of what goes wrong, not what became of the payment: that goes its own way.
            log.warning("gateway_failure_not_counted", gateway=gateway, reason=str(error))

    @retried
    async def switch_gateway(self, actor: Actor, key: IdempotencyKey | None, name: str, note: str, *, is_off: bool) -> Switch:
        """Ask a gateway for no new payments any more, or again. Raises GatewayUnknown."""
        if name not in self._gateways:
            raise GatewayUnknown
        return await self._switch(actor, key, SwitchKind.GATEWAY, name, note, is_off=is_off)

    @retried
    async def switch_method(self, actor: Actor, key: IdempotencyKey | None, method: Method, note: str, *, is_off: bool) -> Switch:
        """Take no new payments with a method any more, or again."""
        return await self._switch(actor, key, SwitchKind.METHOD, method.value, note, is_off=is_off)

    async def look(self) -> tuple[Sequence[Standing], Sequence[Switch]]:
        """How every gateway stands, in the order in which they are asked, and all switches."""
        async with self._database.reading() as tx:
            return await repository.standings(tx, self._gateways.names(), None), await repository.switches(tx)

    async def _switch(self, actor: Actor, key: IdempotencyKey | None, kind: SwitchKind, name: str, note: str, *, is_off: bool) -> Switch:
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, Switch) as once:
            if once.replay:
                return once.replay
            before = await repository.lock_switch(tx, kind, name)
            after = await repository.set_switch(tx, kind, name, note, is_off=is_off)
            action = f"payment_switch.{'off' if is_off else 'on'}"
            await audit.record(tx, [Deed(actor, action, after.id, before=_facts(before) if before else None, after=_facts(after))])
            return once.keep(after)


def _facts(switch: Switch) -> dict[str, object]:
    return {"kind": switch.kind.value, "name": switch.name, "is_off": switch.is_off}
