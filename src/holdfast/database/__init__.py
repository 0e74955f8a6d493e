"""PostgreSQL: the only truth. Engine, ``transaction()``, retries, named statements, roles."""

from holdfast.database.engine import Database
from holdfast.database.queries import Query, queries
from holdfast.database.retries import OutcomeUnknown, retried
from holdfast.database.transaction import NetworkInsideTransaction, Tx, forbid_inside_transaction

__all__ = ["Database", "NetworkInsideTransaction", "OutcomeUnknown", "Query", "Tx", "forbid_inside_transaction", "queries", "retried"]
