"""How statements are refused."""

from holdfast.common.errors import Refusal


class StatementTooLong(Refusal):
    """This statement would have more than {lines_max} lines. Ask for the statements of its sessions instead."""

    code = "statement_too_long"
    status = 409
