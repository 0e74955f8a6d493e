"""Saying where one's money is to go."""

from datetime import timedelta

import structlog

from holdfast import audit, events, idempotency
from holdfast.audit import Deed
from holdfast.auth.sign_ins import require_fresh
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.wire import restored, stored
from holdfast.database import Database, Tx, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.payouts import repository as payees
from holdfast.payouts.accounts import iban as ibans
from holdfast.payouts.accounts import repository
from holdfast.payouts.accounts.dto import AccountRequest
from holdfast.payouts.accounts.errors import NoPayoutAccount
from holdfast.payouts.accounts.events import PayoutAccountChanged
from holdfast.payouts.accounts.models import Destination, SealedAccount, ShownAccount
from holdfast.vault import PersonalVault, Unreadable

log = structlog.get_logger()


class AccountService:
    """The use cases of a payee's bank account."""

    def __init__(self, database: Database, vault: PersonalVault, *, cooling: timedelta) -> None:
        """``cooling`` is how long no money goes to an account that was named just now."""
        self._database = database
        self._vault = vault
        self._cooling = cooling

    @retried
    async def change(self, actor: Actor, key: IdempotencyKey, wanted: AccountRequest) -> ShownAccount:
        """A payee names the account that their money is to go to. Raises SignInTooOld, Invalid."""
        destination = _destination(wanted)
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, ShownAccount) as once:
            if once.replay:
                return once.replay
            await require_fresh(tx, actor)
            await payees.lock_payee(tx, actor.id)
            sealed = await self._vault.seal_for(tx, actor.id, stored(destination).decode())
            account = await repository.insert(tx, actor.id, sealed, self._cooling)
            await audit.record(tx, [Deed(actor, "payout_account.changed", account.id, after={"usable_at": account.usable_at.isoformat()})])
            await events.publish(tx, [PayoutAccountChanged(account_id=account.id, payee_id=actor.id, version=1)])
            return once.keep(_shown(account, destination))

    async def mine(self, actor: Actor) -> ShownAccount:
        """The account that one's own money goes to. Raises NoPayoutAccount."""
        async with self._database.reading() as tx:
            account = (await repository.present_of(tx, [actor.id])).get(actor.id)
            if account is None:
                raise NoPayoutAccount
            try:
                return _shown(account, await open_account(tx, self._vault, account))
            except Unreadable as error:
                log.warning("payout_account_unreadable", account_id=str(account.id), reason=str(error))
                return _shown(account, None)


async def open_account(tx: Tx, vault: PersonalVault, account: SealedAccount) -> Destination:
    """Where an account is. Raises Unreadable where its owner was forgotten."""
    return restored(await vault.open_for(tx, account.payee_id, account.sealed), Destination)


def _destination(wanted: AccountRequest) -> Destination:
    try:
        iban = ibans.normalized(wanted.iban)
    except ValueError as error:
        raise Invalid(("iban", f"{error}.")) from error
    return Destination(" ".join(wanted.holder.split()), iban, wanted.bic)


def _shown(account: SealedAccount, destination: Destination | None) -> ShownAccount:
    """What is kept as an answer shows no more of the account than its owner is shown."""
    return ShownAccount(
        account.id,
        holder=_initials(destination.holder) if destination else None,
        iban=ibans.masked(destination.iban) if destination else None,
        bic=destination.bic if destination else None,
        usable_at=account.usable_at,
        created_at=account.created_at,
    )


def _initials(holder: str) -> str:
    """A kept answer must not keep a name: ``Mona Ali`` is ``M. A.``"""
    return " ".join(f"{word[0]}." for word in holder.split())
