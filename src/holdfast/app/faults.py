"""Faults that a person at a terminal can do something about."""


class Fault(Exception):
    """Something outside the program is not as it must be. The message says what, and what to do; no traceback is shown."""
