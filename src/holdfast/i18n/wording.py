"""Facts written into a text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from enum import Enum
from string import Formatter
from typing import Any

_FORMS = {"date": "%Y-%m-%d", "time": "%H:%M UTC", "": "%Y-%m-%d %H:%M UTC"}
_UNKNOWN = "?"


class _Wording(Formatter):
    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), _UNKNOWN)

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime(_FORMS.get(format_spec, _FORMS[""]))
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Enum):
            return str(value.value)
        return str(value)


_WORDING = _Wording()


def filled(template: str, facts: Mapping[str, object]) -> str:
    """The template with its ``{facts}`` written in; ``{at:date}`` and ``{at:time}`` write a part of an instant, in UTC.

    A fact that is not there becomes a question mark: an answer to a person must not fail over its wording.
    """
    return _WORDING.vformat(template, (), facts) if "{" in template else template
