"""What an event is: a frozen Struct of ids and facts, without personal data, because it can never be changed (rule 14)."""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from holdfast.common.ids import Id
from holdfast.events.models import LogPosition


class EventId(Id, prefix="evt"):
    __slots__ = ()


_BY_NAME: dict[str, type["Event"]] = {}


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened and was committed. Subclasses are named in the past tense and say which field is the subject."""

    subject: ClassVar[str]
    version: int

    def __init_subclass__(cls) -> None:
        known = _BY_NAME.setdefault(cls.__name__, cls)
        if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
            raise TypeError(f"two events are called {cls.__name__}: {known.__module__} and {cls.__module__}")
        # msgspec creates a Struct twice where it has slots; the last one is the class that everybody imports.
        _BY_NAME[cls.__name__] = cls

    @property
    def subject_id(self) -> Id:
        found: Id = getattr(self, self.subject)
        return found


class Recorded(Struct, frozen=True):
    """An event as it stands in the log."""

    id: EventId
    at: LogPosition
    occurred_at: datetime
    event: Event


def event_named(name: str) -> type[Event] | None:
    """The class of a name in the log; None for one that this version of the program no longer knows."""
    return _BY_NAME.get(name)
