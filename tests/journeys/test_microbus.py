"""The microbus system from outside: a whole `up`, spoken to over HTTP alone, by an admin, a driver and a passenger."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.app.test_up import Up

from holdfast.app.running import CHECKOUT

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(180)]

Json = dict[str, Any]
_phones = count(1)


class Person:
    """Somebody with a phone, signed in."""

    def __init__(self, base_url: str, challenge: Json | None = None) -> None:
        self.client = httpx.Client(base_url=f"{base_url}/api/v1", timeout=30)
        if challenge is None:
            asked = self.client.post("/auth/request-otp", json={"phone": f"+2010000{next(_phones):05}"})
            assert asked.status_code == 202, asked.text
            challenge = {"challengeId": asked.json()["challengeId"], "code": "000000"}
        self.sign_in("/auth/verify-otp", challenge)

    def sign_in(self, path: str, body: Json) -> None:
        answer = self.client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        self.refresh_token = answer.json()["refreshToken"]
        self.client.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"

    def refresh(self) -> None:
        self.sign_in("/auth/refresh-token", {"refreshToken": self.refresh_token})

    def get(self, path: str, **query: str) -> Json:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return self._read(answer)

    def send(self, path: str, body: Json | None = None, *, status: int = 201, method: str = "POST", **headers: str) -> Json:
        answer = self.client.request(method, path, json=body, headers={"Idempotency-Key": str(uuid4()), **headers})
        assert answer.status_code == status, answer.text
        return self._read(answer)

    @staticmethod
    def _read(answer: httpx.Response) -> Json:
        found: Json = json.loads(answer.content, parse_float=Decimal)
        return found


class Town:
    """One `up`, and an admin."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.up = Up(data, "--port", "0").until_ready()
        self.base_url = self.up.running.base_url
        body = re.search(r"-d '(.*)'", self.command("create-admin", "+201234567890"))
        assert body is not None
        self._people: list[Person] = []
        self.admin = self._met(Person(self.base_url, json.loads(body[1])))

    def command(self, *arguments: str) -> str:
        """What one of our commands prints; it works on this installation."""
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "src")}
        command = [sys.executable, "-m", "holdfast", *arguments, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def person(self) -> Person:
        return self._met(Person(self.base_url))

    def leave(self) -> None:
        for person in self._people:
            person.client.close()
        self.up.stop()

    def _met(self, person: Person) -> Person:
        self._people.append(person)
        return person

    def route(self) -> tuple[str, list[str]]:
        """A route with two stations, and those."""
        stations = [
            self.admin.send("/stations", {"name": f"Stop {number}", "latitude": 30.0 + number, "longitude": 31.2})["id"]
            for number in (1, 2)
        ]
        route = self.admin.send("/routes", {"name": "Ramses to Giza", "baseFare": 15, "stationIds": stations})
        return route["id"], stations

    def driver(self) -> Person:
        """One who may open sessions."""
        driver = self.person()
        applied = driver.send("/drivers/apply", {"vehicleNumber": f"CAI {next(_phones)}", "licenseNumber": "A 123 456", "totalSeats": 14})
        assert applied["verificationStatus"] == "PENDING"
        self.admin.send(f"/drivers/{applied['id']}/approve", status=200)
        # The role is in the token.
        driver.refresh()
        return driver


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    above = Path(tempfile.mkdtemp(prefix="holdfast-journeys-"))
    # As root, PostgreSQL runs as nobody and must get in; pytest's own directories are closed.
    above.chmod(0o711)
    town = Town(above / "data")
    yield town
    town.leave()
    shutil.rmtree(above)


def test_from_an_empty_city_to_a_driver_who_was_paid(town: Town) -> None:
    """Every path that the requirements list, in the order of a day."""
    admin, driver, passenger = town.admin, town.driver(), town.person()
    route_id, stations = town.route()
    assert route_id in [route["id"] for route in passenger.get("/routes")["data"]]
    assert [station["id"] for station in passenger.get(f"/routes/{route_id}")["stations"]] == stations

    session = driver.send("/sessions/start", {"routeId": route_id, "stationId": stations[0], "totalSeats": 2})
    assert (session["status"], session["availableSeats"]) == ("ACTIVE", 2)
    assert [each["id"] for each in driver.get("/sessions/my")["data"]] == [session["id"]]
    assert [each["id"] for each in passenger.get("/sessions/active", routeId=route_id)["data"]] == [session["id"]]

    held = passenger.send("/bookings/hold", {"sessionId": session["id"], "seatsCount": 2})
    assert (held["fareAmount"], held["serviceFee"], held["totalAmount"], held["currency"]) == (30, 1, 31, "EGP")
    assert (held["status"], held["availableSeats"]) == ("PENDING", 0)
    late = town.person().send("/bookings/hold", {"sessionId": session["id"], "seatsCount": 1}, status=409)
    assert (late["code"], late["available"]) == ("sold_out", 0)

    paid = passenger.send("/payments/pay", {"holdId": held["holdId"], "method": "CARD", "token": "tok_success"})
    assert (paid["status"], paid["booking"]["status"]) == ("SUCCESS", "CONFIRMED")
    assert [(each["bookingId"], each["status"]) for each in passenger.get("/bookings/history")["data"]] == [
        (held["bookingId"], "CONFIRMED")
    ]
    assert passenger.get(f"/sessions/{session['id']}")["status"] == "FULL"

    payout = driver.send("/payouts", {"sessionId": session["id"]})
    assert (payout["grossAmount"], payout["serviceFees"], payout["netAmount"]) == (31, 1, 30)
    assert driver.send(f"/sessions/{session['id']}/close", status=200)["status"] == "CLOSED"
    admin.send(f"/payouts/{payout['id']}/approve", status=200)
    admin.send(f"/payouts/{payout['id']}/pay", status=200)
    assert [(each["id"], each["status"]) for each in driver.get("/payouts/my")["data"]] == [(payout["id"], "PAID")]

    finance = admin.get("/reports/finance", by="route")
    assert all(total["agree"] for total in finance["totals"])
    figures = next(row["figures"] for row in finance["data"] if row["routeId"] == route_id)
    assert (figures["gross"], figures["serviceFees"], figures["earned"], figures["paidOut"]) == (31, 1, 30, 30)
    done = {entry["action"] for entry in admin.get("/audit/logs", limit="100")["data"]}
    assert {"driver.approved", "session.started", "payment.captured", "session.closed", "payout.approved", "payout.paid"} <= done
    town.command("check")


def test_one_vehicle_waits_at_one_station(town: Town) -> None:
    driver = town.driver()
    route_id, stations = town.route()
    order = {"routeId": route_id, "stationId": stations[0], "totalSeats": 14}
    driver.send("/sessions/start", order)
    assert driver.send("/sessions/start", order, status=409)["code"] == "session_running"


def test_who_was_not_approved_opens_no_session(town: Town) -> None:
    route_id, stations = town.route()
    stranger = town.person()
    stranger.send("/sessions/start", {"routeId": route_id, "stationId": stations[0]}, status=403)
    _, elsewhere = town.route()
    off_the_route = town.driver().send("/sessions/start", {"routeId": route_id, "stationId": elsewhere[0]}, status=409)
    assert off_the_route["code"] == "station_not_on_route"
    assert town.admin.get("/sessions/active", routeId=route_id)["data"] == []
