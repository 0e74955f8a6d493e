"""The life of a session as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.sessions.errors import SessionCancelledAlready, SessionClosedAlready, SessionOpen


class SessionState(StrEnum):
    ACTIVE = "ACTIVE"
    FULL = "FULL"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"


SESSION = Machine(
    name="session",
    initial=SessionState.ACTIVE,
    moves=(
        Move(SessionState.ACTIVE, SessionState.FULL, by="the commit that sells the last seat"),
        Move(SessionState.FULL, SessionState.ACTIVE, by="a sold seat that comes back before departure"),
        Move(SessionState.ACTIVE, SessionState.CLOSED, by="the driver leaving"),
        Move(SessionState.FULL, SessionState.CLOSED, by="the driver leaving"),
        Move(SessionState.ACTIVE, SessionState.CANCELLED, by="the driver or an admin calling it off"),
        Move(SessionState.FULL, SessionState.CANCELLED, by="the driver or an admin calling it off"),
    ),
    refusals={
        SessionState.ACTIVE: SessionOpen,
        SessionState.FULL: SessionOpen,
        SessionState.CLOSED: SessionClosedAlready,
        SessionState.CANCELLED: SessionCancelledAlready,
    },
)
