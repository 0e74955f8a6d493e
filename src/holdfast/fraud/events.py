"""What reviews announce: ids, amounts and states, not what anybody wrote."""

from typing import ClassVar
from uuid import UUID

from holdfast.common.actor import UserId
from holdfast.common.money import Amount
from holdfast.events import Event
from holdfast.fraud.models import ReviewId
from holdfast.fraud.states import ReviewState


class ReviewEvent(Event, frozen=True, kw_only=True):
    """``user_id`` is who wanted to pay, for the thing that ``payable_kind`` and ``payable_id`` name."""

    subject: ClassVar[str] = "review_id"
    review_id: ReviewId
    user_id: UserId
    payable_kind: str
    payable_id: UUID
    amount: Amount
    state: ReviewState


class FraudReviewOpened(ReviewEvent, frozen=True, kw_only=True):
    """A rule wants somebody to look at a payment before it is tried."""


class FraudReviewDecided(ReviewEvent, frozen=True, kw_only=True):
    """An admin said whether this person may pay."""
