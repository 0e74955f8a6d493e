"""The life of a complaint as a table."""

from enum import StrEnum

from holdfast.common.machine import Machine, Move
from holdfast.complaints.errors import ComplaintClosed, ComplaintInReview, ComplaintOpen


class ComplaintState(StrEnum):
    OPEN = "OPEN"
    IN_REVIEW = "IN_REVIEW"
    CLOSED = "CLOSED"

    @classmethod
    def _missing_(cls, value: object) -> "ComplaintState | None":
        # Requests may write the word in lower case.
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None


COMPLAINT = Machine(
    name="complaint",
    initial=ComplaintState.OPEN,
    moves=(
        Move(ComplaintState.OPEN, ComplaintState.IN_REVIEW, by="an admin looking into it"),
        Move(ComplaintState.IN_REVIEW, ComplaintState.CLOSED, by="an admin answering it"),
    ),
    refusals={
        ComplaintState.OPEN: ComplaintOpen,
        ComplaintState.IN_REVIEW: ComplaintInReview,
        ComplaintState.CLOSED: ComplaintClosed,
    },
)
