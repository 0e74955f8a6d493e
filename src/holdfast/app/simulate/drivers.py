"""Drivers: they apply, wait at a station until the vehicle is full or they are tired of waiting, leave, and want their money."""

import asyncio
import contextlib
from random import Random
from typing import Any

from holdfast.app.simulate.person import GaveUp, Person, Refused, Surroundings
from holdfast.app.simulate.places import Places

_LOOK_EVERY_S = 4.0
_LOST_START, _CALLED_OFF = "lost the answer to a start", "called a session off"


class Driver(Person):
    """One vehicle."""

    def __init__(self, around: Surroundings, phone: str, rng: Random, places: Places) -> None:
        super().__init__(around, phone, rng)
        self._places = places
        self._drives = False

    async def live(self, arrives_in_s: float) -> None:
        """Become a driver, then drive until the day is over; the last session is closed."""
        await asyncio.sleep(arrives_in_s)
        while not self._drives and not self.around.is_over.is_set():
            await self.tries(self._begin(), "becoming a driver")
            await asyncio.sleep(self.rng.uniform(0.5, 1.0))
        while not self.around.is_over.is_set():
            await self.tries(self._drive_once(), "driving")
            await asyncio.sleep(self.rng.uniform(0.5, 3.0))

    async def _begin(self) -> None:
        await self.sign_in()
        if await self._becomes_a_driver():
            await self._end_what_is_open()
            self._drives = True

    async def _becomes_a_driver(self) -> bool:
        """Apply, again after a rejection, until an admin agrees or the day is over. Raises GaveUp, Refused."""
        profile = await self._profile()
        while profile is None or profile["verificationStatus"] != "APPROVED":
            if profile is None or profile["verificationStatus"] == "REJECTED":
                if profile is not None:
                    self.tally.happened["applied again after a rejection"] += 1
                body = {
                    "vehicleNumber": f"س ج {self.rng.randrange(1000, 9999)}",
                    "licenseNumber": f"29{self.rng.randrange(10**10, 10**11)}",
                }
                profile = await self.post("/drivers/apply", body, what="apply", key=self.new_key())
            await asyncio.sleep(0.5)
            if self.around.is_over.is_set():
                return False
            profile = await self._profile()
        self.around.acknowledged.stands(self, "/drivers/me", verificationStatus="APPROVED", vehicleNumber=profile["vehicleNumber"])
        # The role is in the token.
        await self.renew()
        return True

    async def _profile(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await self.get("/drivers/me")
        except Refused as refused:
            if refused.code == "not_applied":
                return None
            raise
        return found

    async def _end_what_is_open(self) -> None:
        for session in (await self.get("/sessions/my?limit=5"))["data"]:
            if session["status"] in ("ACTIVE", "FULL"):
                await self.post(f"/sessions/{session['id']}/close", None, what="close", key=self.new_key())

    async def _drive_once(self) -> None:
        session = await self._start()
        if session is None:
            return
        path = f"/sessions/{session['id']}"
        # Some have all the time in the world: with them late money finds its seats still free.
        wait_s = self.rng.uniform(50.0, 70.0) if self.happens(0.2) else self.rng.uniform(10.0, 30.0)
        calls_off = self.would(_CALLED_OFF, 0.08)
        while wait_s > 0 and not self.around.is_over.is_set():
            await asyncio.sleep(_LOOK_EVERY_S)
            wait_s -= _LOOK_EVERY_S
            with contextlib.suppress(GaveUp):
                session = await self.get(path, what="read session")
            if session["status"] == "FULL":
                self.tally.happened["filled a session"] += 1
                break
            if calls_off and session["availableSeats"] < session["totalSeats"] and self.happens(0.3):
                break
        asked = await self._ask_for_money(session) if session["status"] == "FULL" and self.happens(0.3) else False
        if calls_off and session["status"] != "FULL":
            await self._end(path, "cancel", {"reason": "The vehicle broke down."}, "CANCELLED", _CALLED_OFF)
            return
        await self._end(path, "close", None, "CLOSED", "closed a session")
        await asyncio.sleep(self.rng.uniform(0.1, 1.0))
        if not asked:
            await self._ask_for_money(session)

    async def _start(self) -> dict[str, Any] | None:
        place = self._places.pick(self.rng)
        body = {"routeId": place.route_id, "stationId": place.station_id, "totalSeats": self.rng.choice((8, 14, 14, 14))}
        loses = self.would(_LOST_START, 0.1)
        try:
            session: dict[str, Any] = await self.post("/sessions/start", body, what="start session", key=self.new_key(), hang_up=loses)
        except Refused as refused:
            if refused.code == "session_running":
                await self._end_what_is_open()
                return None
            raise
        if loses:
            self.tally.happened[_LOST_START] += 1
        self.tally.happened["opened a session"] += 1
        fixed = {name: session[name] for name in ("routeId", "stationId", "totalSeats", "fareAmount", "driverId")}
        self.around.acknowledged.stands(self, f"/sessions/{session['id']}", **fixed)
        return session

    async def _end(self, path: str, how: str, body: object, status: str, behaviour: str) -> None:
        loses = self.happens(0.1)
        ended = await self.post(f"{path}/{how}", body, what=how, key=self.new_key(), hang_up=loses)
        if ended["status"] != status:
            self.tally.fault(f"{path}/{how} was answered with {ended['status']}")
        self.around.acknowledged.stands(self, path, status=status)
        self.tally.happened[behaviour] += 1

    async def _ask_for_money(self, session: dict[str, Any]) -> bool:
        try:
            payout = await self.post("/payouts", {"sessionId": session["id"]}, what="ask for payout", key=self.new_key())
        except Refused as refused:
            if refused.code in ("nothing_to_pay_out", "payout_exists", "session_not_ready"):
                return False
            raise
        self.around.acknowledged.asked_for_payout(self, payout)
        self.tally.happened["asked for a payout"] += 1
        return True


DRIVER_BEHAVIOURS = (
    "opened a session",
    "filled a session",
    "closed a session",
    _CALLED_OFF,
    _LOST_START,
    "asked for a payout",
    "applied again after a rejection",
)
