"""Append-only: who did what."""

from holdfast.audit.personal import Personal
from holdfast.audit.repository import Deed, record

__all__ = ["Deed", "Personal", "record"]
