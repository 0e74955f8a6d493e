"""What is announced about differences."""

from typing import ClassVar

from holdfast.clearing.models import DifferenceId, DifferenceKind
from holdfast.events import Event


class DifferenceOverdue(Event, frozen=True, kw_only=True):
    """A gateway and our books have not agreed about something for too long: a person has to look."""

    subject: ClassVar[str] = "difference_id"
    difference_id: DifferenceId
    gateway: str
    kind: DifferenceKind
