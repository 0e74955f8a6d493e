"""Batches on the wire."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from holdfast.common.money import Amount, JsonAmount
from holdfast.payouts.batches.models import PAYOUTS_MAX, Batch, BatchItem
from holdfast.payouts.batches.service import Heard
from holdfast.payouts.batches.states import BatchState
from holdfast.payouts.models import PayoutId


class BatchRequest(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Approved payouts of one currency that are to go to the bank together."""

    payout_ids: Annotated[list[PayoutId], Meta(min_length=1, max_length=PAYOUTS_MAX)]


class BatchView(Struct, frozen=True, rename="camel"):
    """A batch. ``csvSha256`` and ``xmlSha256`` are those of its files, which are the same each time that they are made."""

    id: str
    status: BatchState
    payouts: int
    total_amount: JsonAmount
    currency: str
    execute_on: date
    csv_sha256: str
    xml_sha256: str
    made_by_admin: str
    approved_by_admin: str | None
    approved_at: datetime | None
    cancelled_at: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, batch: Batch) -> Self:
        return cls(
            id=str(batch.id),
            status=batch.status,
            payouts=batch.payouts,
            total_amount=JsonAmount(batch.total),
            currency=batch.currency,
            execute_on=batch.execute_on,
            csv_sha256=batch.csv_sha256.hex(),
            xml_sha256=batch.xml_sha256.hex(),
            made_by_admin=str(batch.made_by_admin),
            approved_by_admin=str(batch.approved_by_admin) if batch.approved_by_admin else None,
            approved_at=batch.approved_at,
            cancelled_at=batch.cancelled_at,
            created_at=batch.created_at,
        )


class BatchItemView(Struct, frozen=True, rename="camel"):
    """A payout in a batch, with the account that it goes to."""

    payout_id: str
    payout_account_id: str
    amount: JsonAmount
    currency: str


class BatchWithItemsView(Struct, frozen=True, rename="camel"):
    """A batch and what is in it."""

    batch: BatchView
    items: list[BatchItemView]

    @classmethod
    def of(cls, batch: Batch, items: Sequence[BatchItem]) -> Self:
        return cls(
            BatchView.of(batch),
            [
                BatchItemView(str(item.payout_id), str(item.account_id), JsonAmount(Amount(batch.currency, item.amount)), batch.currency)
                for item in items
            ],
        )


class HeardView(Struct, frozen=True, rename="camel"):
    """What the bank's answer changed: so many payouts were paid and returned by it; ``known`` were as it says already."""

    paid: int
    returned: int
    known: int
    pending: int

    @classmethod
    def of(cls, heard: Heard) -> Self:
        return cls(heard.paid, heard.returned, heard.known, heard.pending)
