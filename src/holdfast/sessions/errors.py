"""The ways in which a session is refused."""

from holdfast.common.errors import NotFound, Refusal


class SessionUnknown(NotFound):
    """There is no such session."""

    code = "session_unknown"


class SessionOpen(Refusal):
    """This session is open already."""

    code = "session_open"
    status = 409


class SessionClosedAlready(Refusal):
    """This session is closed: the microbus has left. Look for another at /sessions/active."""

    code = "session_closed"
    status = 409


class SessionCancelledAlready(Refusal):
    """This session was called off. Look for another at /sessions/active."""

    code = "session_cancelled"
    status = 409


class SoldOut(Refusal):
    """Seats left in this session: {available}. Ask for fewer, try again when a hold lapses, or take another session."""

    code = "sold_out"
    status = 409


class SessionRunning(Refusal):
    """You have an open session already. Close or cancel it before you open another."""

    code = "session_running"
    status = 409


class DriverNotApproved(Refusal):
    """Only approved drivers may open a session. Apply at /drivers/apply, or wait until an admin has approved you."""

    code = "driver_not_approved"
    status = 403


class CurrencyNotSold(Refusal):
    """Seats are sold in {currency} here, and the fare of this route is in another currency. Ask an admin to change it."""

    code = "currency_not_sold"
    status = 409


class StationNotOnRoute(Refusal):
    """This station is not on this route, or one of them is not in service. Look at the stations of the route."""

    code = "station_not_on_route"
    status = 409
