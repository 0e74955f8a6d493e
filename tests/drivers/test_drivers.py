"""Applying to drive, over HTTP."""

from typing import Any

import pytest
from sqlalchemy import text
from tests.routes.city import City, Visitor

from holdfast.audit.repository import Sought
from holdfast.audit.service import AuditService
from holdfast.common.actor import Actor, Role, UserId
from holdfast.common.paging import PageRequest

APPLICATION = {"vehicleNumber": " س ج ط  1234", "licenseNumber": "29001011234567", "vehicleType": "microbus", "totalSeats": 14}


@pytest.fixture
async def driver(city: City, visitor: Visitor) -> Visitor:
    await city.person("driver")
    return visitor.named("driver")


async def _applied(driver: Visitor) -> dict[str, Any]:
    answer = await driver.post("/drivers/apply", APPLICATION)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_apply_and_be_approved(city: City, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    assert applied["verificationStatus"] == "PENDING"
    assert applied["vehicleNumber"] == "س ج ط 1234"
    assert applied["licenseNumber"] == "•••••••••••567"
    assert (await driver.get("/drivers/me")).json() == applied
    approved = await admin.post(f"/drivers/{applied['id']}/approve")
    assert (approved.status_code, approved.json()["verificationStatus"]) == (200, "APPROVED")
    assert approved.json()["decidedAt"]
    assert (await city.verify("driver")).role is Role.DRIVER
    assert await city.deeds("driver.approved") == [({"status": "PENDING"}, {"status": "APPROVED"})]
    assert await city.deeds("user.access_changed") == [
        ({"role": "PASSENGER", "is_active": True}, {"role": "DRIVER", "is_active": True}),
    ]
    assert await city.announced() == ["DriverApplied 1", "UserChanged 2", "DriverApprovedByAdmin 2"]


async def test_a_rejected_one_reads_why_and_applies_again(city: City, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    again = await driver.post("/drivers/apply", APPLICATION)
    assert (again.status_code, again.json()["code"]) == (409, "application_pending")
    rejected = await admin.post(f"/drivers/{applied['id']}/reject", {"reason": "The licence has expired."})
    assert rejected.json()["rejectionReason"] == "The licence has expired."
    assert (await driver.get("/drivers/me")).json()["rejectionReason"] == "The licence has expired."
    mended = await driver.post("/drivers/apply", APPLICATION | {"licenseNumber": "30001011234999", "totalSeats": 8})
    assert (mended.status_code, mended.json()["id"]) == (201, applied["id"])
    assert mended.json()["verificationStatus"] == "PENDING"
    assert (mended.json()["licenseNumber"][-3:], mended.json()["rejectionReason"], mended.json()["decidedAt"]) == ("999", None, None)
    assert (await admin.post(f"/drivers/{applied['id']}/approve")).status_code == 200
    late = await driver.post("/drivers/apply", APPLICATION)
    assert (late.status_code, late.json()["code"]) == (409, "driver_approved")
    assert (await city.deeds("driver.rejected")) == [({"status": "PENDING"}, {"status": "REJECTED"})]


async def test_every_move_that_is_not_there_is_refused(driver: Visitor, admin: Visitor) -> None:
    path = f"/drivers/{(await _applied(driver))['id']}"
    assert (await admin.post(f"{path}/reject", {"reason": "no"})).status_code == 200
    assert (await admin.post(f"{path}/approve")).json()["code"] == "driver_rejected"
    assert (await admin.post(f"{path}/reject", {"reason": "no"})).json()["code"] == "driver_rejected"
    await driver.post("/drivers/apply", APPLICATION)
    assert (await admin.post(f"{path}/approve")).status_code == 200
    assert (await admin.post(f"{path}/approve")).json()["code"] == "driver_approved"
    assert (await admin.post(f"{path}/reject", {"reason": "no"})).json()["code"] == "driver_approved"


async def test_a_reason_is_needed(driver: Visitor, admin: Visitor) -> None:
    path = f"/drivers/{(await _applied(driver))['id']}/reject"
    assert (await admin.post(path, {})).status_code == 422
    assert (await admin.post(path, {"reason": "  "})).status_code == 422
    assert (await admin.post(path)).status_code == 400


async def test_licences_are_unreadable_in_the_database(city: City, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    async with city.database.reading() as tx:
        kept = bytes(await tx.value(text("SELECT license_number FROM driver_profiles")))
        everything = await tx.value(
            text(
                "SELECT (SELECT string_agg(d::text, '') FROM driver_profiles d) || (SELECT string_agg(a::text, '') FROM audit_logs a)"
                " || (SELECT string_agg(e::text, '') FROM events e)"
            )
        )
    assert b"29001011234567" not in kept
    assert kept[0] == 1
    assert "29001011234567" not in everything
    assert b"29001011234567".hex() not in everything
    listed = await admin.get("/drivers")
    assert "licen" not in listed.text.lower()
    assert (await city.deeds("driver.license_viewed")) == []
    shown = await admin.get(f"/drivers/{applied['id']}")
    assert shown.json()["licenseNumber"] == "29001011234567"
    assert len(await city.deeds("driver.license_viewed")) == 1


async def test_an_auditor_reads_every_licence_that_was_shown(city: City, driver: Visitor, admin: Visitor) -> None:
    """The profile keeps the last one only."""
    applied = await _applied(driver)
    await admin.post(f"/drivers/{applied['id']}/reject", {"reason": "no"})
    await driver.post("/drivers/apply", APPLICATION | {"licenseNumber": "30001011234999"})
    auditor = Actor(UserId.new(), Role.ADMIN)
    page = await AuditService(city.database, city.vault).list_entries(auditor, Sought(action="driver.applied"), PageRequest())
    shown = [(entry.after or {})["personal"] for entry in reversed(page.rows)]
    assert [each["license_number"] for each in shown] == ["29001011234567", "30001011234999"]
    assert [each["vehicle_number"] for each in shown] == ["س ج ط 1234", "س ج ط 1234"]


async def test_the_licence_of_a_forgotten_person_cannot_be_read(city: City, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    async with city.database.transaction() as tx:
        await tx.run(text("DELETE FROM vault_keys"))
    shown = await admin.get(f"/drivers/{applied['id']}")
    assert (shown.status_code, shown.json()["licenseNumber"]) == (200, None)
    assert (await driver.get("/drivers/me")).json()["licenseNumber"] is None


async def test_admins_list_by_status(city: City, visitor: Visitor, driver: Visitor, admin: Visitor) -> None:
    first = await _applied(driver)
    await city.person("second")
    second = await _applied(visitor.named("second"))
    await admin.post(f"/drivers/{first['id']}/approve")

    async def listed(query: str) -> list[str]:
        return [found["id"] for found in (await admin.get(f"/drivers{query}")).json()["data"]]

    assert await listed("") == [first["id"], second["id"]]
    assert await listed("?status=PENDING") == [second["id"]]
    assert await listed("?status=pending") == [second["id"]]
    assert await listed("?status=REJECTED") == []
    assert (await admin.get("/drivers?status=ASLEEP")).status_code == 422


async def test_who_may_do_what(city: City, visitor: Visitor, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    assert (await visitor.post("/drivers/apply", APPLICATION)).status_code == 401
    for path in ("/drivers", f"/drivers/{applied['id']}"):
        assert (await driver.get(path)).status_code == 403
    assert (await driver.post(f"/drivers/{applied['id']}/approve")).status_code == 403
    assert (await driver.post(f"/drivers/{applied['id']}/reject", {"reason": "x"})).status_code == 403
    await city.person("other")
    assert (await visitor.named("other").get("/drivers/me")).json()["code"] == "not_applied"
    refused = await admin.post("/drivers/apply", APPLICATION)
    assert (refused.status_code, refused.json()["code"]) == (409, "other_role")
    assert await city.count("driver_profiles") == 1
    unknown = await admin.post("/drivers/drv_01h455vb4pex5vsknk084sn02q/approve")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "driver_unknown")


async def test_approval_never_takes_another_role_away(city: City, driver: Visitor, admin: Visitor) -> None:
    applied = await _applied(driver)
    async with city.database.transaction() as tx:
        await tx.run(text("UPDATE users SET role = 'PROVIDER' WHERE id = (SELECT user_id FROM driver_profiles)"))
    refused = await admin.post(f"/drivers/{applied['id']}/approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "other_role")
    assert (await city.verify("driver")).role is Role.PROVIDER


async def test_bad_applications_are_refused(driver: Visitor, city: City) -> None:
    async def faults(body: dict[str, object]) -> list[str]:
        answer = await driver.post("/drivers/apply", APPLICATION | body)
        assert answer.status_code == 422, answer.text
        return [fault["path"] for fault in answer.json()["errors"]]

    assert await faults({"totalSeats": 0, "vehicleNumber": ""}) == ["vehicleNumber", "totalSeats"]
    assert await faults({"totalSeats": 61}) == ["totalSeats"]
    assert await faults({"licenseNumber": "   "}) == ["licenseNumber"]
    assert await faults({"licenseNumber": "1 "}) == ["licenseNumber"]
    assert await faults({"role": "ADMIN"}) == ["role"]
    assert await city.count("driver_profiles") == 0


async def test_the_same_key_applies_once(city: City, driver: Visitor) -> None:
    first = await driver.post("/drivers/apply", APPLICATION, idempotency_key="k")
    again = await driver.post("/drivers/apply", APPLICATION, idempotency_key="k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert await city.announced() == ["DriverApplied 1"]
