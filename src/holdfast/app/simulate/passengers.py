"""Passengers: they look for a seat, hold it, and then behave as people do."""

import asyncio
import contextlib
from random import Random
from typing import Any

from holdfast.app.simulate.acknowledged import BookingPromise
from holdfast.app.simulate.person import Person, Refused, Surroundings
from holdfast.app.simulate.sockets import Listener
from holdfast.app.simulate.trips import TRIPS, Deck, Trip, TripFailed

SHARE_LISTENING = 0.06
LISTENERS_MAX = 200
SEARCHED = 20
_LOST_HOLD = "lost the answer to a hold"
_TWIN_HOLD = "asked thrice at once with one key"
_ASKED_AGAIN = "asked again and was answered the same"


class Passenger(Person):
    """One of the many."""

    def __init__(self, around: Surroundings, phone: str, rng: Random, deck: Deck) -> None:
        super().__init__(around, phone, rng)
        self._deck = deck
        self._heard_of: set[str] = set()
        self._must_hear_of: set[str] = set()
        self._listener: Listener | None = None

    async def live(self, arrives_in_s: float, pause_s: float) -> None:
        """Arrive, make trips with rests between them, and stop making new ones when the day is over."""
        if await self._rests(arrives_in_s):
            return
        await self.tries(self.sign_in(), "signing in")
        while self.is_signed_in.is_set() and not self.around.is_over.is_set():
            trip = self._deck.draw(self.rng)
            with self.tally.under_way(trip.name):
                await self.tries(self._make(trip), trip.name)
            if await self._rests(self.rng.expovariate(1 / pause_s)):
                return

    async def listen(self, base_url: str) -> None:
        """Sign in and hear what is said to oneself, until cancelled."""
        await self.is_signed_in.wait()
        self._listener = Listener(base_url, self, f"user:{self.id}", self._hear)
        await self._listener.run()

    @property
    def unheard(self) -> set[str]:
        """Bookings that were confirmed while the socket was there, and of which it said nothing."""
        if self._listener is None or self._listener.has_missed_something:
            return set()
        return self._must_hear_of - self._heard_of

    def _hear(self, name: str, body: dict[str, Any]) -> None:
        if name == "booking.confirmed":
            self._heard_of.add(body["bookingId"])

    async def _rests(self, seconds: float) -> bool:
        """Wait; True where the day ended meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.around.is_over.wait()
        return self.around.is_over.is_set()

    async def _make(self, trip: Trip) -> None:
        listens = self._listener is not None and self._listener.is_in_the_room.is_set()
        with contextlib.suppress(TripFailed):
            booking, view = await self._hold_some_seats()
            await self.thinks(0.3, 2.0)
            if await trip.make(self, booking, view):
                self.tally.happened[trip.name] += 1
            if listens and booking.is_confirmed:
                self._must_hear_of.add(booking.id)

    async def _hold_some_seats(self) -> tuple[BookingPromise, dict[str, Any]]:
        """Find a session and hold seats in it. Raises Refused, and TripFailed where there is none."""
        for _ in range(3):
            sessions = await self._search()
            wanted = self.rng.choices((1, 2, 3, 4), (50, 30, 12, 8))[0]
            fitting = [session for session in sessions if session["availableSeats"] >= min(wanted, 1)]
            if not fitting:
                await self.thinks(1.0, 3.0)
                continue
            # Those that wait the longest come first, and most people take one of the first.
            session = fitting[min(int(self.rng.expovariate(0.25)), len(fitting) - 1)]
            await self.thinks(0.1, 1.0)
            try:
                return await self._hold(session["id"], wanted)
            except Refused as refused:
                if refused.code not in ("sold_out", "session_closed", "session_cancelled"):
                    raise
        raise TripFailed

    async def _search(self) -> list[dict[str, Any]]:
        sessions = await self.get(f"/sessions/active?withSeats=true&limit={SEARCHED}", what="search")
        found: list[dict[str, Any]] = sessions["data"]
        if found and self.happens(0.2):
            # They know their route.
            found = (await self.get(f"/sessions/active?routeId={self.rng.choice(found)['routeId']}", what="search"))["data"]
        elif found and self.happens(0.25):
            near = self.rng.choice(found)
            found = (await self.get(f"/sessions/active?near={near['latitude']},{near['longitude']}&radiusM=5000", what="search"))["data"]
        return found

    async def _hold(self, session_id: str, seats: int) -> tuple[BookingPromise, dict[str, Any]]:
        body, key = {"sessionId": session_id, "seatsCount": seats}, self.new_key()
        if self.would(_LOST_HOLD, 0.04):
            view = await self.post("/bookings/hold", body, what="hold", key=key, hang_up=True)
            self.tally.happened[_LOST_HOLD] += 1
        elif self.would(_TWIN_HOLD, 0.03):
            views = await asyncio.gather(*(self.post("/bookings/hold", body, what="hold", key=key) for _ in range(3)))
            view = views[0]
            if any(other != view for other in views):
                self.tally.fault(f"one key had several answers: {views}")
            self.tally.happened[_TWIN_HOLD] += 1
        else:
            view = await self.post("/bookings/hold", body, what="hold", key=key)
        booking = self.around.acknowledged.held(self, view)
        if self.would(_ASKED_AGAIN, 0.05):
            await self._ask_again(body, key, view)
        return booking, view

    async def _ask_again(self, body: object, key: str, view: dict[str, Any]) -> None:
        """The same request, later: it must be answered with the very same words."""
        await self.thinks(0.5, 3.0)
        answer = await self.ask("POST", "/bookings/hold", body, what="hold again", key=key)
        if answer.json() != view or answer.headers.get("idempotency-replayed") != "true":
            self.tally.fault(f"a replay differs: {answer.body!r} instead of {view}")
        self.tally.happened[_ASKED_AGAIN] += 1

    async def thinks(self, least_s: float, most_s: float) -> None:
        await asyncio.sleep(self.rng.uniform(least_s, most_s))


PASSENGER_BEHAVIOURS = (
    *(trip.name for trip in TRIPS),
    _LOST_HOLD,
    _TWIN_HOLD,
    _ASKED_AGAIN,
    "listened to a socket",
    "renewed the sign-in",
)
"""What must have happened."""
