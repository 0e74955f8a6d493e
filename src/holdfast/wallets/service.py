"""The use cases of whoever has a wallet."""

from holdfast import audit, idempotency, ledger
from holdfast.audit import Deed
from holdfast.common.actor import Actor
from holdfast.common.errors import Invalid
from holdfast.common.money import Amount
from holdfast.common.paging import Page, PageRequest, encode_cursor
from holdfast.database import Database, retried
from holdfast.idempotency import IdempotencyKey
from holdfast.ledger import Account, EntryId, PostedEntry
from holdfast.wallets import repository
from holdfast.wallets.errors import TopUpUnknown
from holdfast.wallets.models import TOP_UP_MAX, TopUp, TopUpId


class WalletService:
    """A wallet is an account of the ledger, in one currency."""

    def __init__(self, database: Database, *, currency: str) -> None:
        self._database = database
        self.currency = currency

    @retried
    async def read(self, actor: Actor) -> Amount:
        """What somebody has in their wallet; nothing where it was never filled."""
        wallet = (Account.wallet(actor.id), self.currency)
        async with self._database.reading() as tx:
            return (await ledger.guarded_balances(tx, [wallet]))[wallet]

    @retried
    async def list_entries(self, actor: Actor, page: PageRequest) -> Page[PostedEntry]:
        """What came into a wallet and left it, newest first."""
        async with self._database.reading() as tx:
            found = await ledger.entries_of(tx, Account.wallet(actor.id), self.currency, page.after(EntryId), page.limit + 1)
        return Page.cut(found, page, lambda entry: encode_cursor(str(entry.id)))

    @retried
    async def open_top_up(self, actor: Actor, key: IdempotencyKey, amount: Amount) -> TopUp:
        """Want money in one's wallet: pay for the top-up as for anything else. Raises Invalid."""
        if not 0 < amount.minor <= TOP_UP_MAX:
            raise Invalid(("amount", f"Fill in more than nothing and at most {Amount(self.currency, TOP_UP_MAX)}."))
        async with self._database.transaction() as tx, idempotency.once(tx, actor, key, TopUp) as once:
            if once.replay:
                return once.replay
            opened = await repository.insert(tx, TopUpId.new(), actor.id, amount)
            facts = {"amount": opened.amount, "currency": opened.currency}
            await audit.record(tx, [Deed(actor, "top_up.opened", opened.id, after=facts)])
            return once.keep(opened)

    @retried
    async def read_top_up(self, actor: Actor, top_up_id: TopUpId) -> TopUp:
        """A top-up of one's own. Raises TopUpUnknown."""
        async with self._database.reading() as tx:
            found = (await repository.get(tx, [top_up_id])).get(top_up_id)
        if found is None or found.user_id != actor.id:
            raise TopUpUnknown
        return found
