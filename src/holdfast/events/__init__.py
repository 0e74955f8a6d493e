"""The event log: what happened, in the transaction that made it true, and those who read it."""

from holdfast.events.consumers import Consumer, Follower
from holdfast.events.event import Event, EventId, Recorded
from holdfast.events.models import LogPosition
from holdfast.events.repository import publish

__all__ = ["Consumer", "Event", "EventId", "Follower", "LogPosition", "Recorded", "publish"]
