"""Ids: the outside form, and what comes back from it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.bookings.models import BookingId
from holdfast.common.errors import NotFound
from holdfast.inventory import HoldId


@given(st.uuids())
def test_every_id_comes_back_from_its_text(uuid: object) -> None:
    booking = BookingId.of(uuid)  # type: ignore[arg-type]
    assert BookingId.parse(str(booking)) == booking


def test_the_text_is_that_of_the_typeid_specification() -> None:
    """The example of the specification: 0188bac7-4afa-78aa-bc3b-bd1eef28d881."""
    booking = BookingId("0188bac7-4afa-78aa-bc3b-bd1eef28d881")
    assert str(booking) == "bkg_01h2xcejqtf2nbrexx3vqjhp41"


def test_an_id_of_another_kind_is_not_found_and_a_malformed_one_is_malformed() -> None:
    with pytest.raises(NotFound):
        BookingId.parse(str(HoldId.new()))
    for malformed in (
        "",
        "bkg",
        "bkg_",
        "bkg_01h2xcejqtf2nbrexx3vqjhp4",
        "bkg_01h2xcejqtf2nbrexx3vqjhp4i",
        "bkg_81h2xcejqtf2nbrexx3vqjhp41",
    ):
        with pytest.raises(ValueError, match="Expected an id"):
            BookingId.parse(malformed)


def test_new_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    before = time.time_ns() // 1_000_000
    booking = BookingId.new()
    assert booking.version == 7
    assert before <= booking.int >> 80 <= time.time_ns() // 1_000_000


def test_a_hold_and_its_booking_are_equal_and_read_differently() -> None:
    booking = BookingId.new()
    assert HoldId.of(booking) == booking
    assert str(HoldId.of(booking)).removeprefix("hld_") == str(booking).removeprefix("bkg_")
    assert (BookingId.kind, HoldId.kind) == ("booking", "hold")
