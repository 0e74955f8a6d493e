"""Guards of the ledger, taken away."""

from tests.controls import CONTROLS, Control

from holdfast.ledger import repository
from holdfast.ledger.days import Days

_BELOW_HORIZON = "AND (epoch, xid) < ((SELECT epoch FROM horizon), (SELECT xid FROM horizon))"


async def _nobody_is_asked(_days: Days) -> bool:
    return True


CONTROLS.update(
    {
        # What is added up are all entries that can be seen, also after those of transactions that still run.
        "ledger.without_horizon": lambda: Control(edits=[(repository.SQL.roll_up, _BELOW_HORIZON, "")]),
        # Two workers add the same entries up.
        "ledger.without_roll_up_lock": lambda: Control(edits=[(repository.SQL.lock_roll_up, "FOR UPDATE SKIP LOCKED", "")]),
        # A day is sealed while somebody runs who has not heard of it.
        "ledger.without_waiting": lambda: Control(attributes=[(Days, "_everybody_knows", _nobody_is_asked)]),
        # Whoever posts does not look at what is closed.
        "ledger.without_closings": lambda: Control(edits=[(repository.SQL.post, "g.posted_at < c.until", "false")]),
        # Guarded accounts have no wall, and what is pending in them is not counted.
        "ledger.without_pending_wall": lambda: Control(
            ddl=["ALTER TABLE ledger_guarded_balances DROP CONSTRAINT ledger_guarded_balances_pending"]
        ),
        # A pending transaction has no end that keeps another one away.
        "ledger.without_one_end": lambda: Control(
            edits=[(repository.SQL.end_pending, "ON CONFLICT DO NOTHING", ""), (repository.SQL.lock_guarded, "FOR NO KEY UPDATE OF g", "")],
            ddl=[
                "ALTER TABLE ledger_pending_ends DROP CONSTRAINT ledger_pending_ends_pkey",
                "ALTER TABLE ledger_pending_entries DROP CONSTRAINT ledger_pending_entries_pkey",
                "ALTER TABLE ledger_guarded_balances DROP CONSTRAINT ledger_guarded_balances_pending",
            ],
        ),
    }
)
