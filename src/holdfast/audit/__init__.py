"""Append-only: who did what."""

from holdfast.audit.repository import Deed, record

__all__ = ["Deed", "record"]
