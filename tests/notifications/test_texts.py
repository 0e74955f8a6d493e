"""The words: complete, right in both languages, and with nothing left to be filled in."""

from datetime import UTC, datetime

import pytest

from holdfast.common.actor import UserId
from holdfast.common.language import Language
from holdfast.common.money import Amount, egp
from holdfast.notifications.models import Notification, NotificationId, NotificationType, Payload, Told
from holdfast.notifications.texts import TEXTS, money, plural_ar, seats, words_of
from holdfast.resources.kind import Description

ABOUT = Description("رمسيس - العباسية", "Ramses - Abbaseya", "رمسيس", "Ramses", datetime(2026, 1, 1, tzinfo=UTC), None)

NOTHING = Payload()


def told(type_: str, payload: Payload = NOTHING, about: Description | None = ABOUT) -> Told:
    return Told(Notification(NotificationId.new(), UserId.new(), type_, payload, is_read=False, created_at=datetime.now(UTC)), about)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("type_", NotificationType)
def test_every_type_has_its_words_in_both_languages(type_: NotificationType, language: Language) -> None:
    words = words_of(told(type_, Payload(quantity=2, amount=egp(21))), language)
    assert words == words_of(told(type_.value, Payload(quantity=2, amount=egp(21))), language)
    assert words.title
    assert words.body
    for text in (words.title, words.body):
        assert "{" not in text
        assert "  " not in text
        letters = [letter for letter in text if letter.isalpha()]
        arabic = [letter for letter in letters if "\u0600" <= letter <= "\u06ff"]
        assert (len(arabic) > len(letters) / 2) is (language is Language.AR)
    assert set(TEXTS[type_]) == set(Language)


def test_what_a_newer_program_wrote_still_says_something() -> None:
    for language in Language:
        assert words_of(told("FERRY_DELAYED"), language).title


def test_a_place_without_a_name_leaves_no_hole() -> None:
    words = words_of(told(NotificationType.BOOKING_CONFIRMED, Payload(quantity=1), None), Language.EN)
    assert words.body == "You have 1 seat. Have a good trip."
    words = words_of(told(NotificationType.BOOKING_CONFIRMED, Payload(quantity=1)), Language.EN)
    assert words.body == "You have 1 seat on Ramses - Abbaseya, from Ramses. Have a good trip."
    words = words_of(told(NotificationType.BOOKING_CONFIRMED, Payload(quantity=2)), Language.AR)
    assert words.body == "حجزت مقعدين على خط رمسيس - العباسية من رمسيس. رحلة سعيدة."


@pytest.mark.parametrize(
    ("number", "form", "arabic"),
    [
        (1, "one", "مقعد واحد"),
        (2, "two", "مقعدين"),
        (3, "few", "3 مقاعد"),
        (10, "few", "10 مقاعد"),
        (11, "many", "11 مقعدًا"),
        (14, "many", "14 مقعدًا"),
        (99, "many", "99 مقعدًا"),
        (100, "other", "100 مقعد"),
        (102, "other", "102 مقعد"),
        (103, "few", "103 مقاعد"),
        (111, "many", "111 مقعدًا"),
    ],
)
def test_arabic_counts_in_six_forms(number: int, form: str, arabic: str) -> None:
    assert plural_ar(number) == form
    assert seats(number, Language.AR) == arabic


def test_two_seats_that_do_something_have_another_ending() -> None:
    assert seats(2, Language.AR, is_subject=True) == "مقعدان"
    words = words_of(told(NotificationType.SEATS_CAME_BACK, Payload(quantity=2), None), Language.AR)
    assert words.body == "أُلغي حجز، وعاد للبيع مقعدان."


def test_money_has_the_digits_of_its_currency() -> None:
    assert money(egp(12, 50), Language.EN) == "12.50 EGP"
    assert money(egp(12, 50), Language.AR) == "12.50 جنيه"
    assert money(Amount("KWD", 1250), Language.AR) == "1.250 KWD"
