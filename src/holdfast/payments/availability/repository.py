"""The statements of switches and breakers, one function each."""

from collections.abc import Sequence
from datetime import timedelta

from holdfast.database import Tx, queries
from holdfast.payments.availability.models import Standing, Switch, SwitchId, SwitchKind
from holdfast.payments.models import Method

SQL = queries(__file__)


async def standings(tx: Tx, gateways: Sequence[str], method: Method | None) -> list[Standing]:
    return await tx.all(SQL.standings, Standing, gateways=list(gateways), method=method.value if method else "")


async def is_off(tx: Tx, method: Method) -> bool:
    return bool(await tx.value(SQL.is_off, method=method.value))


async def take_trial(tx: Tx, gateway: str, *, lasts: timedelta) -> bool:
    """Whether this payment is the one that tries."""
    return await tx.value(SQL.take_trial, gateway=gateway, lasts=lasts) is not None


async def count_failure(tx: Tx, gateway: str, *, failures_max: int, lasts: timedelta) -> bool:
    return bool(await tx.value(SQL.count_failure, gateway=gateway, failures_max=failures_max, lasts=lasts))


async def forget_failures(tx: Tx, gateway: str) -> None:
    await tx.run(SQL.forget_failures, gateway=gateway)


async def lock_switch(tx: Tx, kind: SwitchKind, name: str) -> Switch | None:
    return await tx.first(SQL.lock_switch, Switch, kind=kind.value, name=name)


async def set_switch(tx: Tx, kind: SwitchKind, name: str, note: str, *, is_off: bool) -> Switch:
    switched = await tx.first(SQL.set_switch, Switch, kind=kind.value, name=name, id=SwitchId.new(), is_off=is_off, note=note)
    assert switched is not None
    return switched


async def switches(tx: Tx) -> list[Switch]:
    return await tx.all(SQL.switches, Switch)
