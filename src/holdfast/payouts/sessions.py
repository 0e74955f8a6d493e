"""What payouts ask of sessions and bookings, asked of the real ones."""

from collections.abc import Sequence

from holdfast.bookings.earnings import takings_of_owner
from holdfast.database import Tx
from holdfast.payments import Takings
from holdfast.payouts.service import PaidSession
from holdfast.sessions.models import SessionId
from holdfast.sessions.service import SessionService


class SoldSessions:
    """The money of microbus sessions."""

    def __init__(self, sessions: SessionService) -> None:
        self._sessions = sessions

    async def session_of(self, tx: Tx, session_id: SessionId, *, locked: bool) -> PaidSession | None:
        session = await self._sessions.find(tx, session_id, locked=locked)
        return None if session is None else PaidSession(session.driver_id, session.status)

    async def takings_of(self, tx: Tx, session_id: SessionId, *, locked: bool) -> Sequence[Takings]:
        return await takings_of_owner(tx, session_id, locked=locked)
