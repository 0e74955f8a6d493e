"""People: who they are, what they may do, and their profile."""

from holdfast.users.events import UserChanged, UserSignedUp
from holdfast.users.models import User
from holdfast.users.people import People
from holdfast.users.phones import e164

__all__ = ["People", "User", "UserChanged", "UserSignedUp", "e164"]
