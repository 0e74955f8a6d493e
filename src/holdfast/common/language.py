"""The languages people can read us in."""

from enum import StrEnum


class Language(StrEnum):
    AR = "ar"
    EN = "en"
