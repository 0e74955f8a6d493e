"""Admins: they let drivers in, pay them, answer complaints and look at the books. Two at once, who get into each other's way."""

import asyncio
import contextlib
from random import Random

from holdfast.app.simulate.person import GaveUp, Person, Refused, Surroundings
from holdfast.app.simulate.plan import NEEDED

_DECIDED_MEANWHILE = frozenset({"driver_approved", "driver_rejected", "payout_approved", "payout_paid", "payout_rejected", "outdated"})


class Admin(Person):
    """One of those who decide."""

    def __init__(self, around: Surroundings, phone: str, rng: Random) -> None:
        super().__init__(around, phone, rng)
        self.is_done = False

    async def sign_in(self) -> None:
        """Admins have no test code: an invitation is their only way in. Raises Refused where the sign-in has ended."""
        raise GaveUp("an admin's sign-in has ended")

    async def live(self) -> None:
        """Work until ``is_done``."""
        while not self.is_done:
            for task in (self._judge_drivers, self._judge_payouts, self._answer_complaints, self._look_at_the_books):
                await self.tries(task(), "administration")
            await asyncio.sleep(self.rng.uniform(1.0, 2.0))

    async def _judge_drivers(self) -> None:
        for driver in (await self.get("/drivers?status=PENDING&limit=50", what="list"))["data"]:
            path = f"/drivers/{driver['id']}"
            # The very first ones are sent back once, and each of them may be sent back again.
            if self.tally.happened["rejected a driver"] < NEEDED + 2 and self.happens(0.7):
                await self._decide(f"{path}/reject", {"reason": "The licence cannot be read."}, "rejected a driver")
            else:
                await self._decide(f"{path}/approve", None, "approved a driver")

    async def _judge_payouts(self) -> None:
        for payout in (await self.get("/payouts?status=PENDING&limit=50", what="list"))["data"]:
            path = f"/payouts/{payout['id']}"
            if self.tally.happened["rejected a payout"] < NEEDED + 2 and self.happens(0.2):
                if await self._decide(f"{path}/reject", {"reason": "The account is not yours."}, "rejected a payout"):
                    self.around.acknowledged.decided_payout(payout["id"], "REJECTED")
            elif await self._decide(f"{path}/approve", None, "approved a payout"):
                self.around.acknowledged.decided_payout(payout["id"], "APPROVED")
        for payout in (await self.get("/payouts?status=APPROVED&limit=50", what="list"))["data"]:
            if await self._decide(f"/payouts/{payout['id']}/pay", None, "paid a payout"):
                self.around.acknowledged.decided_payout(payout["id"], "PAID")

    async def _answer_complaints(self) -> None:
        for status, then in (("IN_REVIEW", "CLOSED"), ("OPEN", "IN_REVIEW")):
            for complaint in (await self.get(f"/complaints?status={status}&limit=20", what="list"))["data"]:
                change = {"status": then} | ({"adminNote": "We spoke with the driver."} if then == "CLOSED" else {})
                path = f"/complaints/{complaint['id']}"
                with contextlib.suppress(Refused):
                    answer = await self.ask("PATCH", path, change, what="answer", key=self.new_key(), version=complaint["version"])
                    self.around.acknowledged.amended(path, **{name: answer.json()[name] for name in change})
                    self.tally.happened["answered a complaint" if then == "CLOSED" else "took up a complaint"] += 1

    async def _look_at_the_books(self) -> None:
        if self.happens(0.3):
            books = await self.get(f"/reports/finance?by={self.rng.choice(('day', 'route', 'driver'))}", what="report")
            if not all(totals["agree"] for totals in books["totals"]):
                self.tally.fault(f"the books do not agree with the ledger: {books['totals']}")
            await self.get("/audit/logs?limit=20", what="audit")
            self.tally.happened["looked at the books"] += 1

    async def _decide(self, path: str, body: object, behaviour: str) -> bool:
        """Whether it was this admin who decided."""
        try:
            await self.post(path, body, what="decide", key=self.new_key())
        except Refused as refused:
            if refused.code not in _DECIDED_MEANWHILE | {"session_not_closed", "nothing_to_pay_out"}:
                raise
            return False
        self.tally.happened[behaviour] += 1
        return True


ADMIN_BEHAVIOURS = (
    "approved a driver",
    "rejected a driver",
    "approved a payout",
    "rejected a payout",
    "paid a payout",
    "took up a complaint",
    "answered a complaint",
    "looked at the books",
)
