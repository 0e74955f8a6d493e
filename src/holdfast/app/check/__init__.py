"""Whether everything that must hold does hold: the invariants of ARCHITECTURE.md, asked of a real database."""

from holdfast.app.check.examination import Examination, Finding, examine

__all__ = ["Examination", "Finding", "examine"]
