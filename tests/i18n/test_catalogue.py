from datetime import UTC, date, datetime
from enum import StrEnum
from string import Formatter

import pytest
from tests.refusals import all_refusals

from holdfast.app.edge import bodies, faults, parameters
from holdfast.app.edge.problems import title_of
from holdfast.common.language import Language
from holdfast.common.money import egp
from holdfast.i18n import filled, is_translated, translated


class Colour(StrEnum):
    RED = "RED"


def test_facts_are_written_for_people() -> None:
    at = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    text = filled(
        "{at} {at:date} {at:time} {day} {price} {colour} {gone}",
        {"at": at, "day": date(2026, 5, 1), "price": egp(75), "colour": Colour.RED},
    )
    assert text == "2026-05-01 12:30 UTC 2026-05-01 12:30 UTC 2026-05-01 75.00 EGP RED ?"


def test_a_text_without_a_translation_stays_english() -> None:
    assert translated("Nobody wrote this.", Language.AR) == "Nobody wrote this."
    assert not is_translated("Nobody wrote this.", Language.AR)
    assert translated("Send text.", Language.EN) == "Send text."
    assert translated("Send text.", Language.AR) == "أرسل نصًا."


def sentences() -> list[str]:
    refusals = all_refusals()
    found = {refusal.template() for refusal in refusals} | {title_of(refusal.code) for refusal in refusals}
    return sorted(found | {*faults.ALL_WORDS, bodies.TOO_BIG, parameters.ONCE, parameters.BAD_QUERY, parameters.NOT_NULL})


def test_everything_a_caller_may_read_is_translated() -> None:
    assert [text for text in sentences() if not is_translated(text, Language.AR)] == []


@pytest.mark.parametrize("text", sentences())
def test_a_translation_names_the_same_facts(text: str) -> None:
    assert _facts(translated(text, Language.AR)) == _facts(text)


def _facts(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_codes_are_unique_and_named_alike() -> None:
    """A program may rely on a code: it has one status, whoever says it."""
    by_code: dict[str, set[int]] = {}
    for refusal in all_refusals():
        assert refusal.code.replace("_", "").isalnum(), refusal
        assert refusal.code == refusal.code.lower(), refusal
        by_code.setdefault(refusal.code, set()).add(refusal.status)
    assert {code: statuses for code, statuses in by_code.items() if len(statuses) > 1} == {}
