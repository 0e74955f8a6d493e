"""Every fault of a body or a parameter at once, in words.

msgspec stops at the first fault. Only when it has found one is the value read again, field by field.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from holdfast.common.cards import holds_card_number
from holdfast.common.language import Language
from holdfast.common.wire import decode_hook
from holdfast.i18n import filled, translated

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""Characters that no text of a person has, and that PostgreSQL or a terminal would stumble over."""

NEEDED = "This is needed."
UNKNOWN = "There is nothing of this name here."
UNKNOWN_BUT = "There is nothing of this name here. Did you mean {guess}?"
BAD_CHARACTERS = "Send text without control characters."

_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"Object missing required field", NEEDED),
        (r"out of range", "This number is too large or too small."),
        (r"Expected `int`.* >= (?P<least>\S+)", "Send {least} or more."),
        (r"Expected `int`.* <= (?P<most>\S+)", "Send {most} or less."),
        (r"Expected `float`.* >= (?P<least>\S+)", "Send {least} or more."),
        (r"Expected `float`.* <= (?P<most>\S+)", "Send {most} or less."),
        (r"Expected `decimal`.* >= (?P<least>\S+)", "Send {least} or more."),
        (r"Expected `\w+`.* > (?P<bound>\S+)", "Send more than {bound}."),
        (r"Expected `\w+`.* < (?P<bound>\S+)", "Send less than {bound}."),
        (r"Expected `\w+` that's a multiple of (?P<step>\S+)", "Send a multiple of {step}."),
        (r"Expected `\w+` of length >= 1$", "Do not leave this empty."),
        (r"Expected `str` of length >= (?P<least>\d+)", "Send at least {least} characters."),
        (r"Expected `str` of length <= (?P<most>\d+)", "Send at most {most} characters."),
        (r"Expected `str` of length == (?P<exactly>\d+)", "Send exactly {exactly} characters."),
        (r"Expected `\w+` of length >= (?P<least>\d+)", "Send at least {least} of them."),
        (r"Expected `\w+` of length <= (?P<most>\d+)", "Send at most {most} of them."),
        (r"Expected `\w+` of length == (?P<exactly>\d+)", "Send exactly {exactly} of them."),
        (r"Expected `str` matching regex (?P<pattern>.+)", "Send text that matches {pattern}."),
        (r"Expected `datetime` with a timezone component", "Say the time zone too, such as in 2026-01-31T18:30:00Z."),
        (r"Invalid RFC3339 encoded datetime|Expected `datetime( \| null)?`", "Send a time such as 2026-01-31T18:30:00Z."),
        (r"Invalid RFC3339 encoded date|Expected `date( \| null)?`", "Send a date such as 2026-01-31."),
        (r"Invalid RFC3339 encoded time|Expected `time( \| null)?`", "Send a time of day such as 18:30:00."),
        (r"Invalid enum value|Expected one of|Invalid .* literal", "Send one of: {choices}."),
        (r"Expected an id such as (?P<example>\w+)", "Send an id such as {example}."),
        (r"Invalid UUID|Expected `uuid( \| null)?`", "Send an id."),
        (r"Invalid decimal|Expected `decimal( \| null)?`", "Send a number."),
        (r"Expected `int( \| null)?`", "Send a whole number."),
        (r"Expected `float( \| null)?`", "Send a number."),
        (r"Expected `bool( \| null)?`", "Send true or false."),
        (r"Expected `str( \| null)?`", "Send text."),
        (r"Expected `array( \| null)?`", "Send a list."),
        (r"Expected `object( \| null)?`", "Send an object."),
    )
)
ALL_WORDS = (*(words for _, words in _WORDS), UNKNOWN, UNKNOWN_BUT, BAD_CHARACTERS)
"""Every sentence that a fault can be told in, before its facts are written in."""

_GUESSED_LENGTH_MAX = 40
_PLACE = re.compile(r" - at `(?:key|value)?.*$")


class _Fault(Struct, frozen=True):
    path: str
    words: str
    facts: Mapping[str, object] = {}

    def say(self, language: Language) -> tuple[str, str]:
        return self.path, filled(translated(self.words, language), self.facts)


def faults_of(value: object, annotation: Any, language: Language) -> Iterator[tuple[str, str]]:
    """(path, message) of everything that keeps ``value``, decoded JSON, from being an ``annotation``. Finding each takes its time.

    Raises NotFound where an id in it names another kind of thing.
    """
    return (fault.say(language) for fault in _faults(value, annotation, ""))


def unprintable_faults(value: object, language: Language) -> Iterator[tuple[str, str]]:
    """(path, message) of each text, in decoded JSON, with characters that no text may have."""
    return (_Fault(path, BAD_CHARACTERS).say(language) for path, text in _texts(value, "") if UNPRINTABLE.search(text))


def unknown_fault(name: str, known: Collection[str], language: Language) -> tuple[str, str]:
    """A name that nothing here has, and the one that was perhaps meant."""
    return _unknown(_join("", name), name, known).say(language)


def said(message: str, annotation: Any, language: Language) -> str:
    """What msgspec says about a value, for people."""
    return _worded("", message, annotation).say(language)[1]


def _faults(value: object, annotation: Any, path: str) -> Iterator[_Fault]:
    inner = _bare(annotation)
    if value is None and _takes_null(inner):
        return
    inner = _only_choice(inner)
    origin = get_origin(inner)
    if isinstance(inner, type) and issubclass(inner, Struct) and isinstance(value, dict):
        yield from _struct_faults(value, inner, path)
        return
    found = False
    if isinstance(value, list) and isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet):
        for index, item in enumerate(value):
            for fault in _faults(item, get_args(inner)[0], f"{path}[{index}]"):
                found = True
                yield fault
    elif isinstance(value, dict) and isinstance(origin, type) and issubclass(origin, Mapping):
        for key, item in value.items():
            for fault in _faults(item, get_args(inner)[1], _join(path, key)):
                found = True
                yield fault
    if not found:
        yield from _whole_faults(value, annotation, path)


def _struct_faults(value: dict[str, object], struct: type[Struct], path: str) -> Iterator[_Fault]:
    hints = get_type_hints(struct, include_extras=True)
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    found = False
    if struct.__struct_config__.forbid_unknown_fields:
        for name in [name for name in value if name not in fields and name != struct.__struct_config__.tag_field]:
            found = True
            yield _unknown(_join(path, name), name, fields)
    for name, field in fields.items():
        if name in value:
            for fault in _faults(value[name], hints[field.name], _join(path, name)):
                found = True
                yield fault
        elif field.required:
            found = True
            yield _Fault(_join(path, name), NEEDED)
    if not found:
        # What no field says on its own: the tag of a union, a rule over several fields.
        yield from _whole_faults(value, struct, path)


def _unknown(path: str, name: str, known: Collection[str]) -> _Fault:
    guesses = get_close_matches(name[:_GUESSED_LENGTH_MAX], known, n=1)
    return _Fault(path, UNKNOWN_BUT, {"guess": guesses[0]}) if guesses else _Fault(path, UNKNOWN)


def _whole_faults(value: object, annotation: Any, path: str) -> Iterator[_Fault]:
    try:
        msgspec.convert(value, annotation, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        yield _worded(path, str(error), annotation)


def _worded(path: str, message: str, annotation: Any) -> _Fault:
    message = _PLACE.sub("", message)
    for pattern, words in _WORDS:
        if match := pattern.search(message):
            facts: dict[str, object] = dict(match.groupdict())
            if "{choices}" in words:
                facts["choices"] = ", ".join(_choices(annotation))
            return _Fault(path, words, facts)
    return _Fault(path, "{message}", {"message": message.replace("`", "")})


def _choices(annotation: Any) -> list[str]:
    inner = _only_choice(_bare(annotation))
    if isinstance(inner, type) and issubclass(inner, Enum):
        return [str(member.value) for member in inner]
    return [str(choice) for choice in get_args(inner)] if get_origin(inner) is Literal else []


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _takes_null(annotation: Any) -> bool:
    return annotation is None or annotation is Any or (get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation))


def _only_choice(annotation: Any) -> Any:
    """``X | None`` as X; a union of more as it is."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    choices = [choice for choice in get_args(annotation) if choice not in (type(None), msgspec.UnsetType)]
    return _bare(choices[0]) if len(choices) == 1 else annotation


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _texts(item, _join(path, key))


def _join(path: str, name: str) -> str:
    shown = "\N{REPLACEMENT CHARACTER}" if holds_card_number(name) else UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", name)[:100]
    return f"{path}.{shown}" if path else shown
