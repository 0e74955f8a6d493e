"""``translations.txt``: names in other languages, found by the thing's id or by the name itself."""

from collections.abc import Mapping

from holdfast.common.language import Language, language_of
from holdfast.routes.gtfs.table import Reading

FILE = "translations.txt"


class Words:
    """What a feed's names are called in Arabic and English."""

    def __init__(self, by_id: Mapping[tuple[str, str, Language], str], by_value: Mapping[tuple[str, str, Language], str]) -> None:
        """Keys are (field, id or value, language)."""
        self._by_id = by_id
        self._by_value = by_value

    def names(self, field: str, record_id: str, value: str) -> tuple[str | None, str | None]:
        """(Arabic, English). The name in the feed itself counts for the language in whose letters it is written."""
        own = language_of(value)
        arabic, english = (
            self._by_id.get((field, record_id, language))
            or self._by_value.get((field, value, language))
            or (value if language is own else None)
            for language in (Language.AR, Language.EN)
        )
        return arabic, english


def read_words(reading: Reading) -> Words:
    """What other languages than these two say is passed over."""
    by_id: dict[tuple[str, str, Language], str] = {}
    by_value: dict[tuple[str, str, Language], str] = {}
    if not reading.has(FILE):
        return Words(by_id, by_value)
    for row in reading.rows(FILE, ["table_name", "field_name", "language", "translation"]):
        field, tag, text = row.needed("field_name"), row.needed("language"), row.needed("translation")
        record_id, value = row.text("record_id"), row.text("field_value")
        if not record_id and not value and row.text("table_name") != "feed_info":
            row.fault("neither record_id nor field_value says what is translated")
        if field is None or tag is None or text is None:
            continue
        language = _LANGUAGES.get(tag.lower().partition("-")[0])
        if language is None:
            continue
        if record_id:
            by_id[field, record_id, language] = text
        elif value:
            by_value[field, value, language] = text
    return Words(by_id, by_value)


_LANGUAGES = {language.value: language for language in Language}
