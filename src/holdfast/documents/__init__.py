"""Tables as files: CSV for spreadsheets, PDF for people, in English or Arabic."""

from holdfast.documents.paper import Paper, Row, Table
from holdfast.documents.sheet import Number, sheet

__all__ = ["Number", "Paper", "Row", "Table", "sheet"]
