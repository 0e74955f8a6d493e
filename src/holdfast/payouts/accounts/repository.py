"""The statements of accounts, one function each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from holdfast.common.actor import UserId
from holdfast.database import Tx, queries
from holdfast.payouts.accounts.models import PayoutAccountId, SealedAccount

SQL = queries(__file__)


async def insert(tx: Tx, payee_id: UserId, sealed: bytes, cooling: timedelta) -> SealedAccount:
    """Also makes it the present one of its payee, who is locked."""
    account = await tx.first(SQL.insert_account, SealedAccount, id=PayoutAccountId.new(), payee_id=payee_id, sealed=sealed, cooling=cooling)
    assert account is not None
    await tx.run(SQL.name_present, payee_id=payee_id, account_id=account.id)
    return account


async def present_of(tx: Tx, payee_ids: Sequence[UserId], *, locked: bool = False) -> Mapping[UserId, SealedAccount]:
    """The present accounts of payees; ``locked`` keeps them so until the commit."""
    if locked:
        await tx.run(SQL.lock_payees, payee_ids=list(payee_ids))
    return {account.payee_id: account for account in await tx.all(SQL.present_of, SealedAccount, payee_ids=list(payee_ids))}


async def get(tx: Tx, account_ids: Sequence[PayoutAccountId]) -> Mapping[PayoutAccountId, SealedAccount]:
    return {account.id: account for account in await tx.all(SQL.get_accounts, SealedAccount, ids=list(account_ids))}
