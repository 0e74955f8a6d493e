"""The ways in which a look into the ledger is refused."""

from holdfast.common.errors import NotFound, Refusal


class AccountUnknown(NotFound):
    """There is no such account in the ledger. List them with GET /admin/ledger/accounts."""

    code = "account_unknown"


class StatementTooLong(Refusal):
    """There are more than {entries_max} entries in these days. Ask for fewer days."""

    code = "statement_too_long"
    status = 409
