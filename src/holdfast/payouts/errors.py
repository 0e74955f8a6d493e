"""How payouts can be refused."""

from holdfast.common.errors import NotFound, Refusal


class PayoutUnknown(NotFound):
    """There is no such payout. Check the id."""

    code = "payout_unknown"


class SessionNotReady(Refusal):
    """A payout can be asked for once the session is full or closed."""

    code = "session_not_ready"
    status = 409


class SessionNotClosed(Refusal):
    """A payout is approved once its session is closed: until then bookings can still be cancelled."""

    code = "session_not_closed"
    status = 409


class PayoutAskedAlready(Refusal):
    """The payout of this session was asked for already."""

    code = "payout_exists"
    status = 409


class NothingToPayOut(Refusal):
    """This session brought in nothing that could be paid out."""

    code = "nothing_to_pay_out"
    status = 409


class PayeeOwes(Refusal):
    """You owe {due}: more went back than your sessions have earned since. Ask again once later sessions have made up for it."""

    code = "payee_owes"
    status = 409


class OwnPayout(Refusal):
    """Nobody decides on a payout of their own. Another admin must."""

    code = "own_payout"
    status = 403


class PayoutPending(Refusal):
    """This payout waits for approval. Approve it first."""

    code = "payout_pending"
    status = 409


class PayoutApprovedAlready(Refusal):
    """This payout was approved already. It can only be paid now, or put in a batch."""

    code = "payout_approved"
    status = 409


class PayoutPaidAlready(Refusal):
    """This payout was paid already."""

    code = "payout_paid"
    status = 409


class PayoutRejectedAlready(Refusal):
    """This payout was rejected. The driver can ask for a new one."""

    code = "payout_rejected"
    status = 409


class PayoutInBatch(Refusal):
    """This payout is in a batch for the bank. Only the bank's answer, or cancelling the batch, changes it."""

    code = "payout_in_batch"
    status = 409


class PayoutReturnedAlready(Refusal):
    """The bank sent this payout back, and its money is owed to the driver again. The driver can ask for a new one."""

    code = "payout_returned"
    status = 409


class PayoutCancelledAlready(Refusal):
    """The driver cancelled this payout, and can ask for a new one."""

    code = "payout_cancelled"
    status = 409
