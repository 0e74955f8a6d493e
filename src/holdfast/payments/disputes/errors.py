"""How a dispute can be refused to move."""

from holdfast.common.errors import Refusal


class DisputeRunning(Refusal):
    """This dispute is not decided yet. Answer it at the gateway."""

    code = "dispute_running"
    status = 409


class DisputeWonAlready(Refusal):
    """This dispute was won, and its money is back."""

    code = "dispute_won"
    status = 409


class DisputeLostAlready(Refusal):
    """This dispute was lost. Only the gateway can say otherwise."""

    code = "dispute_lost"
    status = 409
