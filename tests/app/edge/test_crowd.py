"""Too many at once are told to come back, at once; selling comes before looking around."""

from holdfast.app.edge.crowd import SELLING_MAX, UNDER_WAY_MAX, Crowd


def test_looking_around_is_refused_long_before_selling() -> None:
    crowd = Crowd()
    assert all(crowd.admits("/api/v1/stations") for _ in range(UNDER_WAY_MAX))
    assert not crowd.admits("/api/v1/stations")
    assert not crowd.admits("/api/v1/auth/request-otp")
    assert all(crowd.admits("/api/v1/bookings/hold") for _ in range(SELLING_MAX - UNDER_WAY_MAX))
    assert not crowd.admits("/api/v1/payments/pay")


def test_whoever_leaves_makes_room() -> None:
    crowd = Crowd()
    for _ in range(10 * SELLING_MAX):
        assert crowd.admits("/api/v1/stations")
        crowd.leave()


def test_joining_a_line_is_part_of_selling() -> None:
    """Whoever is sent away there finds others before them when they come back."""
    crowd = Crowd()
    assert all(crowd.admits("/api/v1/sessions/ses_01/waiting-room/join") for _ in range(SELLING_MAX // 2))
    assert crowd.admits("/api/v1/sessions/ses_01/waiting-room")
    assert not crowd.admits("/api/v1/sessions/ses_01")
