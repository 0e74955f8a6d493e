"""What becomes of people: signing up, profiles, roles."""

import asyncio

import pytest
from psycopg.errors import LockNotAvailable
from sqlalchemy import text
from tests.controls import without
from tests.races import guarded_and

from holdfast.audit.repository import Sought
from holdfast.audit.service import AuditService
from holdfast.common.actor import SYSTEM, Actor, Role, UserId
from holdfast.common.errors import Invalid, Outdated
from holdfast.common.language import Language
from holdfast.common.paging import PageRequest
from holdfast.database import Database, Tx
from holdfast.idempotency import IdempotencyKey
from holdfast.users import People, User
from holdfast.users.errors import OwnAccess, UserUnknown
from holdfast.users.service import UserService
from holdfast.vault import PersonalVault, Vault

PHONE = "+201001234567"
VAULT = PersonalVault(Vault("a secret"))


class SeenSignIns:
    """Notes who is signed out, in place of the module that does it."""

    def __init__(self) -> None:
        self.taken_back: list[UserId] = []
        self.ended: list[UserId] = []

    async def take_back(self, tx: Tx, user_id: UserId) -> None:
        self.taken_back.append(user_id)

    async def end(self, tx: Tx, user_id: UserId) -> None:
        self.ended.append(user_id)


@pytest.fixture
def sign_ins() -> SeenSignIns:
    return SeenSignIns()


@pytest.fixture
def people(sign_ins: SeenSignIns) -> People:
    people = People()
    people.sign_ins = sign_ins
    return people


@pytest.fixture
def service(database: Database, people: People) -> UserService:
    return UserService(database, people, VAULT, default_region="EG")


async def _person(database: Database, people: People, phone: str = PHONE) -> User:
    async with database.transaction() as tx:
        return await people.sign_in(tx, phone, Language.AR)


async def _admin(database: Database, people: People, phone: str = "+201099999999") -> Actor:
    async with database.transaction() as tx:
        return (await people.make_admin(tx, SYSTEM, phone)).actor


async def _deeds(database: Database, action: str) -> list[tuple[UserId, UserId, object, object]]:
    async with database.reading() as tx:
        rows = await tx.rows(
            text("SELECT actor_id, entity_id, before, after FROM audit_logs WHERE action = :action ORDER BY position"), action=action
        )
        return [(UserId.of(row["actor_id"]), UserId.of(row["entity_id"]), row["before"], row["after"]) for row in rows]


async def _events(database: Database) -> list[str]:
    async with database.reading() as tx:
        return [f"{row['name']} {row['version']}" for row in await tx.rows(text("SELECT name, version FROM events ORDER BY position"))]


async def test_the_first_sign_in_makes_a_passenger(database: Database, people: People) -> None:
    first = await _person(database, people)
    again = await _person(database, people)
    assert (first.role, first.is_active, first.is_verified, first.language) == (Role.PASSENGER, True, True, Language.AR)
    assert again == first
    assert await _events(database) == ["UserSignedUp 1"]


async def test_two_first_sign_ins_make_one_person(database: Database, people: People) -> None:
    found = await asyncio.gather(*(_person(database, people) for _ in range(9)))
    assert len({user.id for user in found}) == 1
    assert await _events(database) == ["UserSignedUp 1"]


async def test_what_people_cannot_be_called_stays_out_of_the_log(database: Database, people: People, service: UserService) -> None:
    admin, person = await _admin(database, people), await _person(database, people)
    await service.change_me(person.actor, None, person.version, name="Mona the only")
    await service.list_users(admin, PageRequest(), phone=PHONE)
    async with database.reading() as tx:
        written = await tx.value(
            text(
                "SELECT string_agg(e::text, ' ') || ' ' || coalesce((SELECT string_agg(a::text, ' ') FROM audit_logs a), '') FROM events e"
            )
        )
    assert "Mona" not in written
    assert PHONE.removeprefix("+") not in written


async def test_a_profile_changes_by_what_is_sent(database: Database, people: People, service: UserService) -> None:
    person = await _person(database, people)
    named = await service.change_me(person.actor, None, 1, name="منى علي")
    assert (named.name, named.language, named.version) == ("منى علي", Language.AR, 2)
    english = await service.change_me(person.actor, None, 2, language=Language.EN)
    assert (english.name, english.language, english.version) == ("منى علي", Language.EN, 3)
    nameless = await service.change_me(person.actor, None, 3, name=None)
    assert (nameless.name, nameless.language) == (None, Language.EN)
    assert await service.me(person.actor) == nameless
    assert await _events(database) == ["UserSignedUp 1", "UserChanged 2", "UserChanged 3", "UserChanged 4"]


async def test_an_auditor_reads_what_somebody_was_called(database: Database, people: People, service: UserService) -> None:
    admin, person = await _admin(database, people), await _person(database, people)
    await service.change_me(person.actor, None, 1, name="Mona")
    await service.change_me(person.actor, None, 2, name="Muna", language=Language.EN)
    await service.change_me(person.actor, None, 3, language=Language.AR)
    auditors = AuditService(database, VAULT)

    async def changes() -> list[tuple[object, object]]:
        page = await auditors.list_entries(admin, Sought(action="user.profile_changed"), PageRequest())
        return [(entry.before, entry.after) for entry in reversed(page.rows)]

    def called(language: str, name: str | None) -> dict[str, object]:
        return {"language": language, "personal": {"person": str(person.id), "name": name}}

    without_name = ({"language": "en"}, {"language": "ar"})
    assert await changes() == [(called("ar", None), called("ar", "Mona")), (called("ar", "Mona"), called("en", "Muna")), without_name]
    async with database.transaction() as tx:
        await VAULT.forget(tx, person.id)
    assert await changes() == [(called("ar", None), called("ar", "erased")), (called("ar", "erased"), called("en", "erased")), without_name]


@pytest.mark.parametrize("has_order", [True, False], ids=["guarded", "control"])
async def test_whoever_changes_a_name_waits_for_the_key_before_locking_the_person(
    database: Database, people: People, service: UserService, monkeypatch: pytest.MonkeyPatch, has_order: bool
) -> None:
    """Applying to drive takes the two in this order: the other way round they wait for each other."""

    async def makes_none(_vault: PersonalVault, _tx: Tx, _person_id: UserId) -> None:
        pass

    if not has_order:
        monkeypatch.setattr(PersonalVault, "ensure_key", makes_none)
    person = await _person(database, people)
    changing: list[asyncio.Future[User]] = []

    async def apply() -> None:
        async with database.transaction() as tx:
            await VAULT.seal_for(tx, person.id, "29001011234567")
            changing.append(asyncio.ensure_future(service.change_me(person.actor, None, 1, name="Mona")))
            while not await tx.value(text("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()")):
                await asyncio.sleep(0.01)
            await tx.run(text("SELECT FROM users WHERE id = :id FOR SHARE NOWAIT"), id=person.id)

    if has_order:
        await apply()
    else:
        with pytest.raises(LockNotAvailable):
            await apply()
    assert (await changing[0]).name == "Mona"


async def test_a_change_of_something_old_is_refused(database: Database, people: People, service: UserService) -> None:
    person = await _person(database, people)
    outcomes = await asyncio.gather(
        *(service.change_me(person.actor, None, 1, name=f"name {number}") for number in range(8)), return_exceptions=True
    )
    assert [isinstance(outcome, Outdated) for outcome in outcomes].count(True) == 7


async def test_a_repeated_change_answers_the_same(database: Database, people: People, service: UserService) -> None:
    person = await _person(database, people)
    key = IdempotencyKey("k", b"fingerprint")
    first = await service.change_me(person.actor, key, 1, name="Mona")
    again = await service.change_me(person.actor, key, 1, name="Mona")
    assert (again, key.replayed) == (first, True)


async def test_a_role_is_audited_and_ends_what_tokens_say(
    database: Database, people: People, service: UserService, sign_ins: SeenSignIns
) -> None:
    admin, person = await _admin(database, people), await _person(database, people)
    sign_ins.taken_back.clear()
    sign_ins.ended.clear()
    driver = await service.change_access(admin, None, person.id, 1, role=Role.DRIVER, is_active=None)
    assert (driver.role, driver.version) == (Role.DRIVER, 2)
    assert (sign_ins.taken_back, sign_ins.ended) == ([person.id], [])
    assert (await _deeds(database, "user.access_changed"))[-1] == (
        admin.id,
        person.id,
        {"role": "PASSENGER", "is_active": True},
        {"role": "DRIVER", "is_active": True},
    )
    # The same again is no change.
    assert await service.change_access(admin, None, person.id, 2, role=Role.DRIVER, is_active=True) == driver
    assert len(await _deeds(database, "user.access_changed")) == 2


async def test_who_is_deactivated_is_signed_out(database: Database, people: People, service: UserService, sign_ins: SeenSignIns) -> None:
    admin, person = await _admin(database, people), await _person(database, people)
    # Whoever became an admin signs in anew.
    assert sign_ins.ended == [admin.id]
    sign_ins.ended.clear()
    closed = await service.change_access(admin, None, person.id, 1, role=None, is_active=False)
    assert (closed.is_active, sign_ins.ended) == (False, [person.id])
    opened = await service.change_access(admin, None, person.id, 2, role=None, is_active=True)
    assert (opened.is_active, sign_ins.ended) == (True, [person.id])


@pytest.mark.parametrize(("role", "is_active"), [(Role.PASSENGER, None), (None, False), (Role.ADMIN, False)])
async def test_an_admin_cannot_lock_himself_out(
    database: Database, people: People, service: UserService, role: Role | None, is_active: bool | None
) -> None:
    admin = await _admin(database, people)
    with pytest.raises(OwnAccess):
        await service.change_access(admin, None, admin.id, 2, role=role, is_active=is_active)
    assert (await service.me(admin)).role is Role.ADMIN


async def test_nobody_changes_somebody_who_is_not_there(database: Database, people: People, service: UserService) -> None:
    admin = await _admin(database, people)
    with pytest.raises(UserUnknown):
        await service.change_access(admin, None, UserId.new(), 1, role=Role.DRIVER, is_active=None)
    with pytest.raises(UserUnknown):
        await service.show_user(admin, UserId.new())


async def test_admins_page_through_people_and_that_is_audited(database: Database, people: People, service: UserService) -> None:
    admin = await _admin(database, people)
    everybody = [await _person(database, people, f"+2010012345{number:02}") for number in range(5)]
    seen: list[User] = []
    request = PageRequest(limit=2)
    while True:
        page = await service.list_users(admin, request, role=Role.PASSENGER)
        seen += page.rows
        if page.next_cursor is None:
            break
        request = PageRequest(limit=2, cursor=page.next_cursor)
    assert seen == everybody[::-1]
    assert [entity for _, entity, _, _ in await _deeds(database, "user.viewed")] == [user.id for user in seen]

    assert [user.id for user in (await service.list_users(admin, PageRequest(), phone="0100 123 4503")).rows] == [everybody[3].id]
    assert [user.id for user in (await service.list_users(admin, PageRequest(), role=Role.ADMIN)).rows] == [admin.id]
    assert (await service.list_users(admin, PageRequest(), is_active=False)).rows == []
    with pytest.raises(Invalid):
        await service.list_users(admin, PageRequest(), phone="nobody")


@guarded_and("users.without_holding_still")
async def test_a_role_never_changes_behind_somebody_who_signs_in(
    database: Database, people: People, service: UserService, owner_url: str, guard: str | None
) -> None:
    """The sign-in reads the role, then the role changes and all tokens of before are taken back, then the sign-in gives out its token."""
    admin, person = await _admin(database, people), await _person(database, people)
    order: list[str] = []

    async def change() -> None:
        await service.change_access(admin, None, person.id, 1, role=Role.DRIVER, is_active=None)
        order.append("changed")

    async with without(guard, owner_url), database.transaction() as tx:
        held = await people.hold_still(tx, person.id)
        changing = asyncio.create_task(change())
        await asyncio.wait([changing], timeout=0.3)
        order.append(f"token for a {held.role}")
    await changing
    assert order == (["token for a PASSENGER", "changed"] if guard is None else ["changed", "token for a PASSENGER"])
