"""The catalogues: one ``.po`` file for each language but English, whose texts are the keys."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from holdfast.common.language import Language

_FOLDER = Path(__file__).parent
_LINE = re.compile(r'(msgid |msgstr |)"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def translated(text: str, language: Language) -> str:
    """The text in a language; in English where nobody has translated it."""
    return text if language is Language.EN else _catalogue(language).get(text, text)


def is_translated(text: str, language: Language) -> bool:
    """Whether there is a translation, so that a test can name those that are missing."""
    return language is Language.EN or text in _catalogue(language)


@cache
def _catalogue(language: Language) -> Mapping[str, str]:
    """Reads what we write of gettext's format: a ``msgid`` and its ``msgstr``, each of one string or several in a row."""
    pairs: list[list[str]] = []
    for line in (_FOLDER / f"{language}.po").read_text(encoding="utf-8").splitlines():
        if found := _LINE.fullmatch(line):
            keyword, text = found[1], _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], found[2])
            if keyword == "msgid ":
                pairs.append([text])
            elif keyword == "msgstr ":
                pairs[-1].append(text)
            else:
                pairs[-1][-1] += text
    return {original: translation for original, translation in pairs if original and translation}
