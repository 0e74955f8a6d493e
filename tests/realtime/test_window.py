"""The last stretch of the log in memory."""

from datetime import UTC, datetime

from tests.realtime.test_order import news

from holdfast.events import EventId, LogPosition, Recorded
from holdfast.realtime.window import SIZE_MAX, Kept, Window


def kept(number: int) -> Kept:
    return Kept(Recorded(EventId.new(), at(number), datetime.now(UTC), news(number)), None, frozenset())


def at(number: int) -> LogPosition:
    return LogPosition(1, number, 0)


def numbers(window: Window, after: int) -> list[int]:
    return [each.recorded.at.xid for each in window.after(at(after))]


def test_it_tells_what_came_after_a_place() -> None:
    window = Window(at(10))
    for number in (11, 13, 15):
        window.append(kept(number))
    assert [numbers(window, after) for after in (10, 11, 12, 15, 99)] == [[11, 13, 15], [13, 15], [13, 15], [], []]


def test_it_reaches_back_without_telling_anything_twice() -> None:
    window = Window(at(10))
    window.append(kept(11))
    assert window.prepend(at(5), [kept(6), kept(10), kept(11), kept(12)])
    assert (window.since, numbers(window, 5)) == (at(5), [6, 10, 11])


def test_it_stays_small_and_knows_how_far_back_it_reaches() -> None:
    window = Window(at(0))
    for number in range(1, 3 * SIZE_MAX):
        window.append(kept(number))
    remembered = numbers(window, window.since.xid)
    assert remembered == list(range(window.since.xid + 1, 3 * SIZE_MAX))
    assert SIZE_MAX <= len(remembered) < 2 * SIZE_MAX
    before = window.since
    assert not window.prepend(at(1), [kept(number) for number in range(2, SIZE_MAX)])
    assert (window.since, numbers(window, window.since.xid)) == (before, remembered)
