"""How things about stations are refused."""

from holdfast.common.errors import NotFound, Refusal


class StationUnknown(NotFound):
    """There is no such station. Look for one at /stations."""

    code = "station_unknown"


class StationInUse(Refusal):
    """Routes in service call at this station: {routes} of them. Take it off those routes first, or take them out of service."""

    code = "station_in_use"
    status = 409
