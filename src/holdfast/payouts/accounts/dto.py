"""Bank accounts on the wire."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.payouts.accounts.models import ShownAccount

# A name that begins with a letter cannot be taken for a formula by whoever opens the bank's file.
Holder = Annotated[
    str,
    Meta(min_length=2, max_length=70, pattern=r"^[^\W\d_][^\x00-\x1f<>\"=+@|]*$", description="As the bank has it.", examples=["Mona Ali"]),
]
Iban = Annotated[
    str, Meta(min_length=15, max_length=50, pattern=r"^[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 ]+$", examples=["EG380019000500000000263180002"])
]
Bic = Annotated[str, Meta(pattern=r"^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$", examples=["NBEGEGCX"])]


class AccountRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where your money is to go. ``bic`` may be left out for an Egyptian account."""

    holder: Holder
    iban: Iban
    bic: Bic | None = None


class AccountView(Struct, frozen=True, rename="camel"):
    """Where your money goes: enough to know the account again, and no more. No money goes there before ``usableAt``."""

    id: str
    holder: str | None
    iban: str | None
    bic: str | None
    usable_at: datetime
    created_at: datetime

    @classmethod
    def of(cls, account: ShownAccount) -> Self:
        return cls(str(account.id), account.holder, account.iban, account.bic, account.usable_at, account.created_at)
