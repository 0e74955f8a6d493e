"""The life of a review as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.fraud.errors import ReviewDecidedAlready


class ReviewState(StrEnum):
    OPEN = "OPEN"
    ALLOWED = "ALLOWED"
    DENIED = "DENIED"


REVIEW = Machine(
    name="fraud review",
    initial=ReviewState.OPEN,
    moves=(
        Move(ReviewState.OPEN, ReviewState.ALLOWED, by="an admin, with a note"),
        Move(ReviewState.OPEN, ReviewState.DENIED, by="an admin, with a note"),
    ),
    refusals={ReviewState.ALLOWED: ReviewDecidedAlready, ReviewState.DENIED: ReviewDecidedAlready},
)
