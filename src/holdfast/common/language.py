"""The languages people can read us in."""

import re
from enum import StrEnum

_ARABIC = re.compile(r"[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]")
_LATIN = re.compile(r"[A-Za-z]")


class Language(StrEnum):
    AR = "ar"
    EN = "en"


def in_language(language: Language, *, ar: str | None, en: str | None) -> str:
    """The text in a language, or in the other one where it is missing. One of them is there."""
    first, second = (ar, en) if language is Language.AR else (en, ar)
    return first or second or ""


def language_of(text: str) -> Language:
    """The language in whose letters a name is written: Arabic where it has Arabic letters and no Latin ones."""
    return Language.AR if _ARABIC.search(text) and not _LATIN.search(text) else Language.EN
