"""What each token makes the sandbox do, as a table; its own ``GET /tokens`` tells it too."""

from enum import StrEnum

from msgspec import Struct


class ChargeStatus(StrEnum):
    CAPTURED = "captured"
    DECLINED = "declined"
    PENDING = "pending"


class RefundStatus(StrEnum):
    DONE = "done"
    DECLINED = "declined"
    PENDING = "pending"


class DisputeStatus(StrEnum):
    WAITING = "waiting"
    OPENED = "opened"
    WON = "won"
    LOST = "lost"


class Reply(StrEnum):
    """How a request is answered, whatever was done."""

    AT_ONCE = "at once"
    NEVER = "never: the caller waits until it gives up"
    ERROR = "with status 500, also when it is repeated"
    AFTER_WEBHOOK = "after the webhook was delivered"


class Script(Struct, frozen=True):
    """The behaviour behind a token. ``later`` is what a pending or declined charge becomes by itself after a while.

    ``is_done`` False: nothing is done and nothing remembered. ``webhooks``: how many messages tell of each change.
    """

    means: str
    charge: ChargeStatus = ChargeStatus.CAPTURED
    reason: str | None = None
    later: ChargeStatus | None = None
    asks_payer: bool = False
    is_done: bool = True
    reply: Reply = Reply.AT_ONCE
    webhooks: int = 1
    is_forged: bool = False
    takes_less_by: int = 0
    refund: RefundStatus = RefundStatus.DONE
    refund_reply: Reply = Reply.AT_ONCE
    is_disputed: bool = False


REASONS = ("insufficient_funds", "expired_card", "stolen_card", "limit_exceeded", "do_not_honor", "suspected_fraud")
AUTHENTICATION_FAILED = "authentication_failed"
AUTHENTICATION_EXPIRED = "authentication_expired"
UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a word of the protocol.

SCRIPTS = {
    "tok_success": Script("The money is taken."),
    **{
        f"tok_decline_{reason}": Script(f"Declined: {reason.replace('_', ' ')}.", ChargeStatus.DECLINED, reason=reason)
        for reason in REASONS
    },
    "tok_3ds": Script("The payer must confirm on a page (3-D Secure), or decline there.", ChargeStatus.PENDING, asks_payer=True),
    "tok_timeout_done": Script("The money is taken, but no answer comes and no webhook.", reply=Reply.NEVER, webhooks=0),
    "tok_timeout_not_done": Script("Nothing is done, and no answer comes.", is_done=False, reply=Reply.NEVER),
    "tok_error_500_done": Script("The money is taken, but the answer is an error, and no webhook comes.", reply=Reply.ERROR, webhooks=0),
    "tok_error_500_not_done": Script("Nothing is done, and the answer is an error.", is_done=False, reply=Reply.ERROR),
    "tok_late_webhook": Script(
        "Pending; taken a few seconds later, which a webhook tells.", ChargeStatus.PENDING, later=ChargeStatus.CAPTURED
    ),
    "tok_lost_webhook": Script(
        "Pending; taken a few seconds later, which nobody tells.", ChargeStatus.PENDING, later=ChargeStatus.CAPTURED, webhooks=0
    ),
    "tok_double_webhook": Script("The money is taken; a webhook tells it twice, and once more under another id.", webhooks=3),
    "tok_webhook_first": Script("The money is taken; the webhook comes before the answer.", reply=Reply.AFTER_WEBHOOK),
    "tok_forged_webhook": Script(
        "Declined; then a webhook with a wrong signature says that the money was taken.",
        ChargeStatus.DECLINED,
        reason="do_not_honor",
        is_forged=True,
    ),
    "tok_late_capture": Script(
        "Declined; a few seconds later the money is taken all the same, which a webhook tells.",
        ChargeStatus.DECLINED,
        reason="do_not_honor",
        later=ChargeStatus.CAPTURED,
    ),
    "tok_wrong_amount": Script("One minor unit less is taken than was asked for.", takes_less_by=1),
    "tok_dispute": Script(
        "The money is taken; a few seconds later the payer's bank takes it back, until POST /disputes/{id} decides.",
        is_disputed=True,
    ),
    "tok_refund_pending": Script("The money is taken; refunds take a few seconds, which a webhook tells.", refund=RefundStatus.PENDING),
    "tok_refund_declined": Script("The money is taken; refunds are declined.", refund=RefundStatus.DECLINED),
    "tok_refund_timeout_done": Script(
        "The money is taken; refunds are done, but not answered the first time. No webhook tells.", webhooks=0, refund_reply=Reply.NEVER
    ),
    "tok_refund_error_500_done": Script(
        "The money is taken; refunds are done, but answered with an error. No webhook tells.", webhooks=0, refund_reply=Reply.ERROR
    ),
}

INVALID = Script("Any other token: declined.", ChargeStatus.DECLINED, reason=UNKNOWN_TOKEN)


def script_of(token: str) -> Script:
    """What a token makes the sandbox do."""
    return SCRIPTS.get(token, INVALID)
