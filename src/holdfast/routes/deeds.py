"""Writing down what was done to routes: audit rows and events, in the commit of the deed."""

from collections.abc import Mapping, Sequence

from holdfast import audit, events
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.database import Tx
from holdfast.routes.events import RouteChanged
from holdfast.routes.models import Route, RouteId
from holdfast.stations import StationId

Stations = Sequence[StationId]


async def record_created(tx: Tx, actor: Actor, created: Mapping[RouteId, tuple[Route, Stations]]) -> None:
    deeds = [
        Deed(actor, "route.created", route.id, after=_facts(route) | {"stations": list(stations)}) for route, stations in created.values()
    ]
    await audit.record(tx, deeds)
    await _announce(tx, [route for route, _ in created.values()])


async def record_changed(
    tx: Tx, actor: Actor, changes: Sequence[tuple[Route, Route]], stations: Mapping[RouteId, tuple[Stations, Stations]] | None = None
) -> None:
    """``stations``: those before and after, where they changed. Audit rows hold facts; of names they say only which changed."""
    moved = stations or {}
    deeds = []
    for before, after in changes:
        renamed = [field for field in ("name_ar", "name_en", "code") if getattr(before, field) != getattr(after, field)]
        facts_before, facts_after = _facts(before), _facts(after) | ({"renamed": renamed} if renamed else {})
        if after.id in moved:
            facts_before["stations"], facts_after["stations"] = (list(ids) for ids in moved[after.id])
        deeds.append(Deed(actor, "route.changed", after.id, before=facts_before, after=facts_after))
    await audit.record(tx, deeds)
    await _announce(tx, [after for _, after in changes])


async def _announce(tx: Tx, routes: Sequence[Route]) -> None:
    await events.publish(tx, [RouteChanged(route_id=route.id, version=route.version, is_active=route.is_active) for route in routes])


def _facts(route: Route) -> dict[str, object]:
    return {"base_fare": route.base_fare, "currency": route.currency, "usual_seats": route.usual_seats, "is_active": route.is_active}
