"""How a limit refuses."""

from holdfast.common.errors import Refusal


class LimitReached(Refusal):
    """This was asked for too often. Try again in {retry_after} seconds."""

    code = "limit_reached"
    status = 429
