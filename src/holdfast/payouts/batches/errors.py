"""How batches are refused."""

from holdfast.common.errors import NotFound, Refusal


class BatchUnknown(NotFound):
    """There is no such batch. Check the id."""

    code = "payout_batch_unknown"


class BatchNotApproved(Refusal):
    """This batch waits for another admin to approve it. Until then its file does not leave."""

    code = "payout_batch_not_approved"
    status = 409


class BatchApprovedAlready(Refusal):
    """This batch was approved already, and may be at the bank. Only the bank's answer changes its payouts."""

    code = "payout_batch_approved"
    status = 409


class BatchCancelledAlready(Refusal):
    """This batch was cancelled. Make another one of its payouts."""

    code = "payout_batch_cancelled"
    status = 409


class OwnBatch(Refusal):
    """Whoever made a batch, or asked for or gets a payout in it, does not approve it. Another admin must."""

    code = "own_payout_batch"
    status = 403


class SeveralCurrencies(Refusal):
    """A batch has one currency, and these payouts have {currencies}. Make a batch for each."""

    code = "payout_batch_currencies"
    status = 409


class PayeesNotReady(Refusal):
    """Some of these payouts have no bank account that money may go to: none was named, or it is too new: {payout_ids}. Leave them out."""

    code = "payees_not_ready"
    status = 409


class AccountsChanged(Refusal):
    """Some drivers have named another account since this batch was made. Cancel it and make it anew."""

    code = "payout_accounts_changed"
    status = 409


class NoBankOfOurs(Refusal):
    """It is not set from which account payouts are paid. Set HOLDFAST_PAYOUT_DEBTOR_NAME and HOLDFAST_PAYOUT_DEBTOR_IBAN."""

    code = "no_bank_of_ours"
    status = 409


class FileDiffers(Refusal):
    """The file of this batch cannot be made as it was approved: what it is made from was changed, or a driver was forgotten since."""

    code = "payout_file_differs"
    status = 409


class AnswerUnreadable(Refusal):
    """This is no answer of a bank. Send a pain.002 document, or CSV with the columns end_to_end_id, status and reason."""

    code = "bank_answer_unreadable"
    status = 422


class AnswerToAnother(Refusal):
    """The bank speaks of another message than this batch. Send its answer to the batch that it names."""

    code = "bank_answer_to_another"
    status = 409
