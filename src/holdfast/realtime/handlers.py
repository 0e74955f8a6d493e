"""Which events of the log are said in rooms: a table.

To say another one, write its builder in ``messages.py`` and add its line to ``SAID``.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from holdfast.bookings.events import (
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingEvent,
    BookingExpired,
    BookingHeld,
)
from holdfast.events import Event, Recorded
from holdfast.notifications.events import NotificationCreated
from holdfast.payments.events import PaymentSucceeded
from holdfast.realtime import messages
from holdfast.realtime.messages import Occasion, Said
from holdfast.realtime.repository import Whereabouts
from holdfast.sessions.events import SessionCancelled, SessionClosed, SessionFull, SessionReopened, SessionStarted
from holdfast.sessions.kind import SESSION_KIND
from holdfast.sessions.models import SessionId

E = TypeVar("E", bound=Event)
Build = Callable[[E, Occasion], Iterable[Said]]


class Announcements:
    """Builders by the class of event."""

    def __init__(self) -> None:
        self._builders: dict[type[Event], Build[Event]] = {}

    def add(self, event: type[E], build: Build[E]) -> None:
        self._builders[event] = build  # type: ignore[assignment]  # Called with that class only.

    def of(self, recorded: Recorded, where: Whereabouts | None) -> list[Said]:
        """What is said about an event; ``where`` the session is that it is about."""
        build = self._builders.get(type(recorded.event))
        return list(build(recorded.event, Occasion(recorded, where))) if build else []


SAID = Announcements()
SAID.add(SessionStarted, messages.session_changed)
SAID.add(SessionFull, messages.session_changed)
SAID.add(SessionReopened, messages.session_changed)
SAID.add(SessionClosed, messages.session_changed)
SAID.add(SessionCancelled, messages.session_changed)
SAID.add(BookingHeld, messages.booking_held)
SAID.add(BookingConfirmed, messages.booking_confirmed)
SAID.add(BookingChanged, messages.booking_changed)
SAID.add(BookingExpired, messages.booking_expired)
SAID.add(BookingCancelled, messages.booking_cancelled)
SAID.add(PaymentSucceeded, messages.payment_succeeded)
SAID.add(NotificationCreated, messages.notification_created)


def session_of(event: Event) -> SessionId | None:
    """The session whose route and driver must be known to say an event that does not name them itself."""
    return SessionId.of(event.owner_id) if isinstance(event, BookingEvent) and event.kind == SESSION_KIND else None
