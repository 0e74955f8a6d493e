"""Two taps, and two admins. Each race also runs without its guard, and must then be lost."""

import asyncio

import pytest
from tests.controls import CONTROLS, Control, without
from tests.drivers.test_drivers import APPLICATION
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


@pytest.mark.parametrize("guard", [None, "drivers.without_unique_person"], ids=["guarded", "control"])
async def test_two_taps_make_one_application(city: City, visitor: Visitor, owner_url: str, guard: str | None) -> None:
    lost = 0
    async with without(guard, owner_url):
        for number in range(ROUNDS):
            person = await city.person(f"driver{number}")
            driver = visitor.named(f"driver{number}")
            # Making the person's key would let them through one after the other anyway.
            async with city.database.transaction() as tx:
                await city.vault.seal_for(tx, person.id, "something else")
            answers = await asyncio.gather(*(driver.post("/drivers/apply", APPLICATION) for _ in range(TAPS)))
            assert {answer.status_code for answer in answers} <= {201, 409}
            lost += [answer.status_code for answer in answers].count(201) != 1
        profiles = await city.count("driver_profiles")
    assert (lost, profiles) == (0, ROUNDS) if guard is None else lost > 0


@pytest.mark.parametrize("guard", [None, "drivers.without_lock"], ids=["guarded", "control"])
async def test_of_approve_and_reject_one_wins(city: City, visitor: Visitor, admin: Visitor, owner_url: str, guard: str | None) -> None:
    both = 0
    for number in range(ROUNDS):
        await city.person(f"driver{number}")
        driver = visitor.named(f"driver{number}")
        path = f"/drivers/{(await driver.post('/drivers/apply', APPLICATION)).json()['id']}"
        async with without(guard, owner_url):
            approved, rejected = await asyncio.gather(
                admin.post(f"{path}/approve"), admin.post(f"{path}/reject", {"reason": "The licence has expired."})
            )
        won = [answer.json()["verificationStatus"] for answer in (approved, rejected) if answer.status_code == 200]
        both += len(won) == 2
        if guard is None:
            status = (await driver.get("/drivers/me")).json()["verificationStatus"]
            assert won == [status]
            assert ((await city.verify(f"driver{number}")).role is Role.DRIVER) == (status == "APPROVED")
    assert both == 0 if guard is None else both > 0
