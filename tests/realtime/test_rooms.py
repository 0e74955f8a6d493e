"""Who may be in which room, and for how long."""

import pytest
import socketio
from tests.realtime.conftest import Listener, Square

from holdfast.auth.events import LoginRevoked
from holdfast.common.actor import Actor, Role, UserId
from holdfast.notifications.events import NotificationCreated
from holdfast.notifications.models import NotificationId, NotificationType
from holdfast.routes.models import RouteId
from holdfast.sessions.models import SessionId


def news_for(actor: Actor) -> NotificationCreated:
    return NotificationCreated(notification_id=NotificationId.new(), user_id=actor.id, type=NotificationType.BOOKING_CONFIRMED, version=1)


def person(role: Role = Role.PASSENGER) -> Actor:
    return Actor(UserId.new(), role)


async def test_anyone_may_watch_sessions_and_routes_and_nothing_else(square: Square) -> None:
    listener = await square.listener()
    for room in (f"session:{SessionId.new()}", f"route:{RouteId.new()}"):
        answer = await listener.ask("join", room=room)
        assert (answer["ok"], answer["room"]) == (True, room)
    for room in (f"user:{UserId.new()}", f"driver:{UserId.new()}", "admin"):
        answer = await listener.ask("join", room=room)
        assert (answer["ok"], answer["code"]) == (False, "room_not_yours")


async def test_people_enter_their_own_rooms_only(square: Square) -> None:
    driver, other = person(Role.DRIVER), person(Role.ADMIN)
    listener = await square.listener(driver)
    for room in (f"user:{driver.id}", f"driver:{driver.id}"):
        assert (await listener.ask("join", room=room))["ok"]
    for wish in ("join", "sync"):
        for room in (f"user:{other.id}", f"driver:{other.id}", "admin"):
            answer = await listener.ask(wish, room=room, **({"after": "1-1-1"} if wish == "sync" else {}))
            assert answer["code"] == "room_not_yours", room


async def test_admins_enter_their_room_and_nobody_elses(square: Square) -> None:
    admin, other = person(Role.ADMIN), person()
    listener = await square.listener(admin)
    assert (await listener.ask("join", room="admin"))["ok"]
    assert (await listener.ask("join", room=f"user:{other.id}"))["code"] == "room_not_yours"


async def test_who_shows_a_token_that_is_none_is_not_let_in(square: Square) -> None:
    for auth in ({"token": "forged"}, {"token": ""}, {"token": 7}, ["token"], "token", {"token": "x" * 5_000}):
        listener = Listener()
        with pytest.raises(socketio.exceptions.ConnectionError):
            await listener.client.connect(square.url, auth=auth, transports=["websocket"])
        await listener.close()


async def test_who_shows_no_token_is_nobody_in_particular(square: Square) -> None:
    for auth in (None, {}, {"token": None}, {"language": "ar"}):
        listener = Listener()
        await listener.client.connect(square.url, auth=auth, transports=["websocket"])
        assert (await listener.ask("join", room="admin"))["code"] == "room_not_yours"
        await listener.close()


IMPOSSIBLE: tuple[tuple[str, object, str], ...] = (
    ("join", {}, "invalid"),
    ("join", {"room": 7}, "invalid"),
    ("join", {"room": "admin", "more": 1}, "invalid"),
    ("join", {"room": "x" * 65}, "invalid"),
    ("join", "admin", "invalid"),
    ("join", None, "invalid"),
    ("join", {"room": "kitchen"}, "room_unknown"),
    ("join", {"room": "admin:"}, "room_unknown"),
    ("join", {"room": "session:"}, "room_unknown"),
    ("join", {"room": "session:ses_"}, "room_unknown"),
    ("join", {"room": f"session:{UserId.new()}"}, "room_unknown"),
    ("join", {"room": f"session:{SessionId.new()}".upper()}, "room_unknown"),
    ("sync", {"room": f"session:{SessionId.new()}"}, "invalid"),
    ("sync", {"room": f"session:{SessionId.new()}", "after": "yesterday"}, "invalid"),
    ("sync", {"room": f"session:{SessionId.new()}", "after": "1-99999999999999999999-1"}, "invalid"),
    ("sync", {"room": f"session:{SessionId.new()}", "after": "9999999999-1-1"}, "invalid"),
    ("renew", {"token": "forged"}, "not_signed_in"),
    ("dance", {}, "event_unknown"),
)


async def test_wishes_that_cannot_be_granted_say_why(square: Square) -> None:
    listener = await square.listener()
    for wish, request, code in IMPOSSIBLE:
        answer = await listener.client.call(wish, request)
        assert (answer["ok"], answer["code"]) == (False, code), request
        assert answer["message"]
    assert listener.client.connected


async def test_who_leaves_hears_nothing_more(square: Square) -> None:
    listener = await square.listener()
    session = await square.session()
    await listener.join(f"session:{session.id}")
    await square.shop.hold(await square.shop.person(), session)
    await listener.until_names("session.updated")
    assert (await listener.ask("leave", room=f"session:{session.id}"))["ok"]
    await square.shop.hold(await square.shop.person(), session)
    await square.settle()
    await listener.join("route:" + str(square.shop.route_id))
    assert listener.names == ["session.updated"]


async def test_an_expired_sign_in_ends_private_rooms_and_leaves_the_public_ones(square: Square) -> None:
    other = await square.another(recheck_s=0.02)
    actor = await square.shop.person()
    listener = Listener()
    token = square.doorkeeper.token(actor)
    await listener.connect(other.url, token)
    session = await other.session()
    await listener.join(f"user:{actor.id}", f"session:{session.id}")
    del square.doorkeeper.holders[token]
    await listener.until_names("signin.ended")
    assert listener.body("signin.ended") == {"rooms": [f"user:{actor.id}"]}
    await square.publish(news_for(actor))
    await square.shop.hold(actor, session)
    await listener.until_names("signin.ended", "session.updated")
    assert (await listener.ask("join", room=f"user:{actor.id}"))["code"] == "room_not_yours"
    await listener.close()


async def test_a_revoked_sign_in_ends_at_once(square: Square) -> None:
    actor = person()
    token = square.doorkeeper.token(actor)
    listener, elsewhere = Listener(), await square.listener(actor)
    await listener.connect(square.url, token)
    for each in (listener, elsewhere):
        await each.join(f"user:{actor.id}")
    revoked = square.doorkeeper.holders.pop(token)
    await square.publish(
        LoginRevoked(login_id=revoked.login_id, user_id=actor.id, has_ended=True, version=revoked.generation + 1), news_for(actor)
    )
    await elsewhere.until_names("notification.created")
    await listener.until_names("signin.ended")
    await listener.close()


async def test_a_fresh_token_goes_on_and_anothers_token_leaves_the_rooms(square: Square) -> None:
    actor, other = person(), person()
    listener = await square.listener(actor)
    await listener.join(f"user:{actor.id}")
    answer = await listener.ask("renew", token=square.doorkeeper.token(actor))
    assert (answer["ok"], answer["userId"]) == (True, str(actor.id))
    await square.publish(news_for(actor))
    await listener.until_names("notification.created")
    assert (await listener.ask("renew", token=square.doorkeeper.token(other)))["ok"]
    await square.publish(news_for(actor), news_for(other))
    await square.settle()
    await listener.join(f"user:{other.id}")
    assert listener.names == ["notification.created"]


async def test_an_anonymous_listener_can_sign_in_later(square: Square) -> None:
    actor = person()
    listener = await square.listener()
    assert (await listener.ask("renew", token=square.doorkeeper.token(actor)))["ok"]
    await listener.join(f"user:{actor.id}")
    await square.publish(news_for(actor))
    await listener.until_names("notification.created")
