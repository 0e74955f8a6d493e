"""Somebody with a phone, and what everybody does alike: sign in, ask, and ask again with the same key when no answer comes."""

import asyncio
import secrets
import time
import traceback
from collections.abc import Awaitable
from random import Random
from typing import Any

import msgspec

from holdfast.app.simulate.acknowledged import Acknowledged, Unknown
from holdfast.app.simulate.plan import NEEDED
from holdfast.app.simulate.tally import Tally
from holdfast.app.simulate.wire import Answer, Unanswered, Wire

BASE_PATH = "/api/v1"
TEST_CODE = "000000"
PATIENCE_S = 60.0
WAIT_S_MAX = 5.0
HELPED = 0.3
_TRY_AGAIN = (429, 502, 503, 504)
_UNAUTHORIZED = 401
_SERVER_FAULT = 500
# Nobody here asks for what makes no sense: either we or the documents are wrong.
_MISTAKES = (400, 405, 415, 422, 428)
# Twice, because somebody else of the same sign-in may have renewed it a moment ago.
_RENEWALS_MAX = 2
_BUSY_CODES = frozenset({"still_running"})


class GaveUp(Exception):
    """However often it was asked, no answer came. What became of it is not known."""


class Refused(Exception):
    """The server said no, and why."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.code = answer.code or str(answer.status)
        super().__init__(self.code)


class Surroundings:
    """What everybody in the town shares."""

    def __init__(self, wire: Wire, tally: Tally, acknowledged: Acknowledged) -> None:
        self.wire = wire
        self.tally = tally
        self.acknowledged = acknowledged
        self.is_over = asyncio.Event()


class Person:
    """One phone. ``rng`` is theirs alone, so that what they want does not depend on what others do."""

    def __init__(self, around: Surroundings, phone: str, rng: Random) -> None:
        self.around = around
        self.tally = around.tally
        self.phone = phone
        self.rng = rng
        self.id = ""
        self.is_signed_in = asyncio.Event()
        self._access_token = ""
        self._refresh_token = ""
        self._renewing = asyncio.Lock()

    def happens(self, share: float) -> bool:
        """Whether it does this time, if it does in so many of all cases."""
        return self.rng.random() < share

    def would(self, behaviour: str, share: float) -> bool:
        """The same for a behaviour that is counted: more likely as long as it has happened too rarely."""
        return self.happens(max(share, HELPED) if self.tally.happened[behaviour] <= NEEDED else share)

    def new_key(self) -> str:
        """A fresh Idempotency-Key."""
        return secrets.token_urlsafe(18)

    async def tries(self, doing: Awaitable[object], what: str) -> None:
        """Do something that may be refused or never answered. What else goes wrong is a fault, in the answers or in us."""
        try:
            await doing
        except (GaveUp, Refused):
            return
        except Exception as error:
            where = "".join(traceback.format_exception(error, limit=-2)).replace("\n", " ")
            self.tally.fault(f"{what}: {where}")

    async def sign_in(self) -> None:
        """With the code of test phones. Raises GaveUp, Refused."""
        challenge = await self.post("/auth/request-otp", {"phone": self.phone}, what="sign in", key=None)
        await self.answer_challenge(challenge["challengeId"], TEST_CODE)

    async def answer_challenge(self, challenge_id: str, code: str) -> None:
        """Sign in with a code that came some other way."""
        self._keep(await self.post("/auth/verify-otp", {"challengeId": challenge_id, "code": code}, what="sign in", key=None))

    async def renew(self) -> None:
        """New tokens for the refresh token; where that one was lost on the way, a new sign-in."""
        used = self._access_token
        async with self._renewing:
            if self._access_token != used:
                return
            body = {"refreshToken": self._refresh_token}
            try:
                self._keep(await self.post("/auth/refresh-token", body, what="renew", key=None, is_signed=False))
            except Refused:
                # An answer that was lost has used the token up, and using it again ended the sign-in.
                await self.sign_in()
            self.tally.happened["renewed the sign-in"] += 1

    @property
    def token(self) -> str:
        return self._access_token

    async def get(self, path: str, *, what: str = "read") -> Any:
        """What stands there. Raises GaveUp, Refused."""
        return (await self.ask("GET", path, None, what=what, key=None)).json()

    async def post(
        self, path: str, body: object | None, *, what: str, key: str | None, hang_up: bool = False, is_signed: bool = True
    ) -> Any:
        """What was answered. Raises GaveUp, Refused."""
        return (await self.ask("POST", path, body, what=what, key=key, hang_up=hang_up, is_signed=is_signed)).json()

    async def ask(
        self,
        method: str,
        path: str,
        body: object | None,
        *,
        what: str,
        key: str | None,
        hang_up: bool = False,
        is_signed: bool = True,
        version: int | None = None,
    ) -> Answer:
        """Ask until there is an answer, each time with the same key. ``hang_up``: the first time cut the line before it comes.

        Raises Refused for every answer that is no success, and GaveUp.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        give_up_at = time.monotonic() + PATIENCE_S
        wait_s, renewals = 0.1, 0
        while True:
            if time.monotonic() > give_up_at:
                if key is not None:
                    self.around.acknowledged.unknown.append(Unknown(self, method, path, body, what, key, version))
                raise GaveUp(f"{method} {path}")
            headers = {"content-type": "application/json"} if content else {}
            if key is not None:
                headers["idempotency-key"] = key
            if version is not None:
                headers["if-match"] = f'"{version}"'
            if is_signed and self._access_token:
                headers["authorization"] = f"Bearer {self._access_token}"
            began = time.perf_counter()
            try:
                answer = await self.around.wire.send(method, BASE_PATH + path, headers, content, hang_up=hang_up)
            except Unanswered:
                if not hang_up:
                    self.tally.unanswered[what] += 1
                hang_up = False
                await asyncio.sleep(wait_s * self.rng.uniform(0.5, 1.5))
                wait_s = min(wait_s * 2, WAIT_S_MAX)
                continue
            self.tally.answered(what, answer.status, time.perf_counter() - began)
            if answer.is_success:
                return answer
            if answer.status == _UNAUTHORIZED and is_signed and self._refresh_token and renewals < _RENEWALS_MAX:
                renewals += 1
                await self.renew()
                continue
            if answer.status in _TRY_AGAIN or answer.code in _BUSY_CODES:
                self.tally.repeated[f"{what}: {answer.code or answer.status}"] += 1
                told_s = answer.headers.get("retry-after", "")
                await asyncio.sleep(max(float(told_s) if told_s.isdigit() else 0.0, wait_s) * self.rng.uniform(0.75, 1.5))
                wait_s = min(wait_s * 2, WAIT_S_MAX)
                continue
            if answer.status >= _SERVER_FAULT or answer.status in _MISTAKES:
                self.tally.fault(f"{method} {path} was answered with {answer.status}: {answer.body[:500].decode(errors='replace')}")
            refused = Refused(answer)
            self.tally.refusals[f"{what}: {refused.code}"] += 1
            raise refused

    def _keep(self, credentials: Any) -> None:
        self._access_token = credentials["accessToken"]
        self._refresh_token = credentials["refreshToken"]
        self.id = credentials["user"]["id"]
        self.is_signed_in.set()
