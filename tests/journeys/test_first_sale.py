"""A seat from the driver's application to his payout, over HTTP alone."""

from tests.world import World


async def test_a_seat_is_sold_and_its_driver_is_paid(world: World) -> None:
    driver, session_id = await world.session(seats=2)
    passenger, admin = await world.person(), await world.admin()

    found = await world.ask("GET", f"/sessions/active?routeId={world.shop.route_id}", Accept_Language="ar")
    assert [each["id"] for each in found.body["data"]] == [session_id]

    held = await passenger.hold(session_id, 2)
    assert held.status == 201, held
    assert (held.body["fareAmount"], held.body["serviceFee"], held.body["totalAmount"]) == (20.0, 1.0, 21.0)
    assert (held.body["availableSeats"], held.body["currency"], held.body["status"]) == (0, "EGP", "PENDING")

    paid = await passenger.pay(held.body["holdId"])
    assert (paid.status, paid.body["status"]) == (201, "SUCCESS"), paid
    booking = await passenger.get(f"/bookings/{held.body['bookingId']}")
    assert booking.body["status"] == "CONFIRMED"
    assert (await world.ask("GET", f"/sessions/{session_id}")).body["status"] == "FULL"

    asked = await driver.post("/payouts", {"sessionId": session_id})
    assert (asked.status, asked.body["status"], asked.body["netAmount"]) == (201, "PENDING", 20.0), asked
    assert (await driver.post(f"/sessions/{session_id}/close")).body["status"] == "CLOSED"
    approved = await admin.post(f"/payouts/{asked.body['id']}/approve")
    assert (approved.status, approved.body["status"]) == (200, "APPROVED"), approved
    assert (await admin.post(f"/payouts/{asked.body['id']}/pay")).body["status"] == "PAID"

    report = await admin.get("/reports/finance")
    assert report.status == 200, report

    async def told() -> bool:
        inbox = await passenger.get("/notifications")
        return any(row["type"] == "BOOKING_CONFIRMED" for row in inbox.body["data"])

    await world.until(told)
    await world.assert_all_is_well()


async def test_a_cancelled_seat_goes_back_and_so_does_its_fare(world: World) -> None:
    _, session_id = await world.session(seats=1)
    passenger = await world.person()
    held = await passenger.hold(session_id)
    assert (await passenger.pay(held.body["holdId"])).body["status"] == "SUCCESS"
    cancelled = await passenger.post(f"/bookings/{held.body['bookingId']}/cancel", {"reason": "Change of plans", "refundRequested": True})
    assert (cancelled.status, cancelled.body["refundAmount"], cancelled.body["refundStatus"]) == (200, 10.0, "processing"), cancelled
    assert (await world.ask("GET", f"/sessions/{session_id}")).body["availableSeats"] == 1


async def test_a_called_off_session_refunds_everybody_in_full(world: World) -> None:
    driver, session_id = await world.session(seats=3)
    people = [await world.person() for _ in range(3)]
    payments = []
    for person in people:
        held = await person.hold(session_id)
        payments.append((await person.pay(held.body["holdId"])).body["id"])
    assert (await driver.post(f"/sessions/{session_id}/cancel", {"reason": "The engine."})).body["status"] == "CANCELLED"

    async def refunded() -> bool:
        states = [(await person.get(f"/payments/{payment}")).body["status"] for person, payment in zip(people, payments, strict=True)]
        return states == ["REFUNDED"] * 3

    await world.until(refunded)
    await world.assert_all_is_well()


async def test_a_declined_card_keeps_the_hold_and_another_try_confirms(world: World) -> None:
    _, session_id = await world.session()
    passenger = await world.person()
    held = await passenger.hold(session_id)
    declined = await passenger.pay(held.body["holdId"], "tok_decline_insufficient_funds")
    assert (declined.status, declined.body["status"]) == (201, "FAILED"), declined
    assert (await passenger.get(f"/bookings/{held.body['bookingId']}")).body["status"] == "PENDING"
    assert (await passenger.pay(held.body["holdId"])).body["status"] == "SUCCESS"


async def test_a_charge_that_nobody_answered_is_asked_for_until_it_is_known(world: World) -> None:
    _, session_id = await world.session()
    passenger = await world.person()
    held = await passenger.hold(session_id)
    unknown = await passenger.pay(held.body["holdId"], "tok_timeout_done")
    assert (unknown.status, unknown.body["status"]) == (201, "INITIATED"), unknown

    async def confirmed() -> bool:
        return bool((await passenger.get(f"/bookings/{held.body['bookingId']}")).body["status"] == "CONFIRMED")

    await world.until(confirmed)
    await world.assert_all_is_well()
