"""Two taps, and two admins. Each race also runs without its guard, and must then be lost."""

import asyncio
import itertools

from tests.controls import CONTROLS, Control
from tests.drivers.test_drivers import APPLICATION
from tests.races import guarded_and, race
from tests.routes.city import City, Visitor

from holdfast.common.actor import Role
from holdfast.drivers import repository as drivers

TAPS = 8
ROUNDS = 10

CONTROLS |= {
    "drivers.without_unique_person": lambda: Control(
        edits=[(drivers.SQL.insert, "ON CONFLICT (user_id) DO NOTHING", "")],
        ddl=["ALTER TABLE driver_profiles DROP CONSTRAINT driver_profiles_user_id_key"],
    ),
    # Both admins judge the state that was there before the other decided.
    "drivers.without_lock": lambda: Control(edits=[(drivers.SQL.lock, "FOR NO KEY UPDATE", "")]),
}


@guarded_and("drivers.without_unique_person")
async def test_two_taps_make_one_application(city: City, visitor: Visitor, owner_url: str, guard: str | None) -> None:
    names = (f"driver{number}" for number in itertools.count())

    async def once() -> str:
        name = next(names)
        person, driver = await city.person(name), visitor.named(name)
        # Making the person's key would let them through one after the other anyway.
        async with city.database.transaction() as tx:
            await city.vault.seal_for(tx, person.id, "something else")
        answers = [
            answer.status_code for answer in await asyncio.gather(*(driver.post("/drivers/apply", APPLICATION) for _ in range(TAPS)))
        ]
        assert set(answers) <= {201, 409}
        return f"{answers.count(201)} applications" if answers.count(201) != 1 else ""

    await race(once, guard, owner_url, rounds=ROUNDS)
    assert guard is not None or await city.count("driver_profiles") == ROUNDS


@guarded_and("drivers.without_lock")
async def test_of_approve_and_reject_one_wins(city: City, visitor: Visitor, admin: Visitor, owner_url: str, guard: str | None) -> None:
    names = (f"driver{number}" for number in itertools.count())

    async def once() -> str:
        name = next(names)
        await city.person(name)
        driver = visitor.named(name)
        path = f"/drivers/{(await driver.post('/drivers/apply', APPLICATION)).json()['id']}"
        answers = await asyncio.gather(admin.post(f"{path}/approve"), admin.post(f"{path}/reject", {"reason": "The licence has expired."}))
        won = [answer.json()["verificationStatus"] for answer in answers if answer.status_code == 200]
        if guard is None:
            status = (await driver.get("/drivers/me")).json()["verificationStatus"]
            assert won == [status]
            assert ((await city.verify(name)).role is Role.DRIVER) == (status == "APPROVED")
        return f"both won: {won}" if len(won) == 2 else ""

    await race(once, guard, owner_url, rounds=ROUNDS)
