"""How settling with gateways can be refused."""

from holdfast.common.errors import NotFound, Refusal


class DifferenceUnknown(NotFound):
    """There is no such difference. Check the id."""

    code = "difference_unknown"


class DifferenceResolvedAlready(Refusal):
    """This difference was resolved already."""

    code = "difference_resolved"
    status = 409
