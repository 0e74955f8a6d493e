"""The statements of realtime."""

from collections.abc import Collection

from msgspec import Struct

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.routes.models import RouteId
from holdfast.sessions.models import SessionId

SQL = queries(__file__)


class Whereabouts(Struct, frozen=True):
    """Whose session it is and on which route: its watchers are in their rooms too."""

    id: SessionId
    route_id: RouteId
    driver_id: UserId


async def whereabouts(tx: Tx, ids: Collection[SessionId]) -> dict[SessionId, Whereabouts]:
    return {found.id: found for found in await tx.all(SQL.whereabouts, Whereabouts, ids=list(ids))}
