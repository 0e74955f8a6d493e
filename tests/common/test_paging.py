import pytest

from holdfast.common.errors import Invalid
from holdfast.common.paging import Page, PageRequest, PageView, decode_cursor, encode_cursor, seal_cursors_with


def test_a_cursor_comes_back_as_it_was() -> None:
    assert decode_cursor(encode_cursor("stn_1", "محطة"), parts=2) == ("stn_1", "محطة")


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "é", "a" * 5000, encode_cursor("a") + "A", encode_cursor("a")[:-1], encode_cursor("a") + "=", "\x00"]
)
def test_any_other_text_is_a_fault_of_the_cursor(cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        decode_cursor(cursor, parts=1)
    assert refused.value.facts["errors"][0]["path"] == "cursor"  # type: ignore[index]


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(Invalid):
        decode_cursor(encode_cursor("a", "b"), parts=1)


def test_a_cursor_made_with_another_secret_is_refused() -> None:
    forged = encode_cursor("'; DROP TABLE users")
    seal_cursors_with("a secret of this process")
    try:
        with pytest.raises(Invalid):
            decode_cursor(forged, parts=1)
        assert decode_cursor(encode_cursor("a"), parts=1) == ("a",)
    finally:
        seal_cursors_with("")


def test_a_page_is_cut_from_one_row_too_many() -> None:
    request = PageRequest(limit=2)
    page = Page.cut([1, 2, 3], request, cursor=str)
    assert PageView.of(page, request, str).data == ["1", "2"]
    assert page.next_cursor == "2"
    assert Page.cut([1, 2], request, cursor=str).next_cursor is None
