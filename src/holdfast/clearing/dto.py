"""Requests and views of differences."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta, Struct

from holdfast.clearing.models import NOTE_LENGTH_MAX, Difference, DifferenceKind, MovementKind, Owner, Source
from holdfast.common.money import Amount, JsonAmount
from holdfast.payments.models import PaymentId, RefundId


class ResolveRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """How it was cleared up."""

    note: Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX, pattern=r"\S", examples=["They settled it on 3 May."])]


class DifferenceView(Struct, frozen=True, rename="camel"):
    """Something about which a gateway and our books do not agree: since when, whose it is to clear up, and how."""

    id: str
    gateway: str
    source: Source
    kind: DifferenceKind
    movement: MovementKind
    subject: str
    our_amount: JsonAmount | None
    their_amount: JsonAmount | None
    currency: str
    owner: Owner
    action: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str | None
    version: int

    @classmethod
    def of(cls, difference: Difference) -> Self:
        return cls(
            id=str(difference.id),
            gateway=difference.gateway,
            source=difference.source,
            kind=difference.kind,
            movement=difference.movement,
            subject=subject_of(difference),
            our_amount=_amount(difference.currency, difference.ours),
            their_amount=_amount(difference.currency, difference.theirs),
            currency=difference.currency,
            owner=difference.remedy.owner,
            action=difference.remedy.action,
            first_seen_at=difference.first_seen_at,
            last_seen_at=difference.last_seen_at,
            resolved_at=difference.resolved_at,
            resolved_by=str(difference.resolved_by) if difference.resolved_by else None,
            note=difference.note,
            version=difference.version,
        )


def subject_of(difference: Difference) -> str:
    """Our id of what moved, as it is written everywhere else; the gateway's reference where it is not ours."""
    try:
        ours = UUID(difference.subject)
    except ValueError:
        return difference.subject
    return str((RefundId if difference.movement is MovementKind.REFUND else PaymentId).of(ours))


def _amount(currency: str, minor: int | None) -> JsonAmount | None:
    return None if minor is None else JsonAmount(Amount(currency, minor))
