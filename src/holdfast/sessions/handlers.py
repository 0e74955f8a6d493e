"""What sessions do about others' events."""

from collections.abc import Sequence

from holdfast.common.actor import SYSTEM, Role
from holdfast.common.errors import Refusal
from holdfast.events import Event, Recorded
from holdfast.sessions.service import SessionService
from holdfast.users.events import UserChanged

NOTE = "The driver may no longer drive."


class FormerDrivers:
    """Follows people. The open session of someone who may no longer drive is called off: nobody should board it, or pay for it."""

    name = "sessions.former_drivers"
    wants: frozenset[type[Event]] = frozenset({UserChanged})

    def __init__(self, service: SessionService) -> None:
        self._service = service

    async def follow(self, recorded: Sequence[Recorded]) -> None:
        for each in recorded:
            event = each.event
            if not isinstance(event, UserChanged) or (event.is_active and event.role is Role.DRIVER):
                continue
            session_id = await self._service.open_session_of(event.user_id)
            if session_id is None:
                continue
            try:
                await self._service.cancel(SYSTEM, None, session_id, NOTE)
            except Refusal as refusal:
                # It ended by itself in the meantime; anything else is tried again.
                if refusal.status >= 500:  # noqa: PLR2004
                    raise
