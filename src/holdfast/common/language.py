"""The languages people can read us in."""

from enum import StrEnum


class Language(StrEnum):
    AR = "ar"
    EN = "en"


def in_language(language: Language, *, ar: str | None, en: str | None) -> str:
    """The text in a language, or in the other one where it is missing. One of them is there."""
    first, second = (ar, en) if language is Language.AR else (en, ar)
    return first or second or ""
