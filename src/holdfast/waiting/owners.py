"""What a waiting room must know of the kind of owner that it stands before."""

from typing import Protocol
from uuid import UUID

from holdfast.common.actor import Actor
from holdfast.common.ids import Id
from holdfast.database import Tx
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionUnknown
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId
from holdfast.sessions.service import SessionService
from holdfast.sessions.states import SessionState


class OwnerKind(Protocol):
    """One kind of owner that can have a waiting room. What it has to sell is read from its pools, which are alike for all kinds."""

    name: str

    def id_of(self, owner_id: UUID) -> Id:
        """The id as people write it."""
        ...

    def path_of(self, owner_id: UUID) -> str:
        """The path of its waiting room."""
        ...

    async def check_may_change(self, tx: Tx, actor: Actor, owner_id: UUID, *, opens: bool) -> None:
        """Raises a refusal where the room is not the actor's to change, or where ``opens`` and nothing is sold any more."""
        ...


class SessionOwners:
    """Microbus sessions: their drivers and admins change their waiting rooms."""

    name = SESSION_KIND

    def __init__(self, sessions: SessionService) -> None:
        self._sessions = sessions

    def id_of(self, owner_id: UUID) -> Id:
        return SessionId.of(owner_id)

    def path_of(self, owner_id: UUID) -> str:
        return f"/sessions/{SessionId.of(owner_id)}/waiting-room"

    async def check_may_change(self, tx: Tx, actor: Actor, owner_id: UUID, *, opens: bool) -> None:
        session = await self._sessions.find(tx, SessionId.of(owner_id), locked=False)
        if session is None or not (actor.is_admin or session.driver_id == actor.id):
            raise SessionUnknown
        if opens and session.status is SessionState.CLOSED:
            raise SessionClosedAlready
        if opens and session.status is SessionState.CANCELLED:
            raise SessionCancelledAlready


class OwnerKinds:
    """Every kind of owner that can have a waiting room, by name."""

    def __init__(self, *kinds: OwnerKind) -> None:
        self._by_name = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> OwnerKind:
        return self._by_name[name]
