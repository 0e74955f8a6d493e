"""Phone numbers: one form for each, E.164 (``+201001234567``)."""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from holdfast.common.errors import Invalid

_LENGTH_MAX = 32
# Nobody reads messages on the others, and some of them cost whoever sends there.
_TAKES_MESSAGES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


def e164(text: str, region: str, *, path: str = "phone") -> str:
    """The one form of a mobile number; without a country code it is one of ``region``. Raises Invalid, naming ``path``.

    Digits may be of any script (``٠١٠٠١٢٣٤٥٦٧``), with spaces and dashes between them.
    """
    try:
        if len(text) > _LENGTH_MAX:
            raise _not_mobile(path, region)
        number = phonenumbers.parse(text, region)
    except NumberParseException:
        raise _not_mobile(path, region) from None
    if number.extension or not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _TAKES_MESSAGES:
        raise _not_mobile(path, region)
    written: str = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return written


def _not_mobile(path: str, region: str) -> Invalid:
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    shown = phonenumbers.format_number(example, PhoneNumberFormat.E164) if example else "+201001234567"
    return Invalid((path, f"Expected a mobile number with its country code, such as {shown}."))
