"""Tickets cannot be made, changed or lent."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from holdfast.waiting.tickets import TICKET_LENGTH, Tickets

TICKETS = Tickets("the present secret")
OWNER, PERSON = uuid4(), uuid4()


@given(st.uuids(), st.uuids(), st.integers(1, 2**63 - 1))
def test_a_ticket_is_read_as_it_was_written(owner_id: UUID, user_id: UUID, number: int) -> None:
    ticket = TICKETS.sign(owner_id, user_id, number)
    assert len(ticket) == TICKET_LENGTH == 32
    assert TICKETS.read(ticket, owner_id, user_id) == number


@given(st.integers(0, TICKET_LENGTH - 1), st.characters(codec="ascii"))
def test_a_changed_ticket_is_none(place: int, character: str) -> None:
    ticket = TICKETS.sign(OWNER, PERSON, 17)
    changed = ticket[:place] + character + ticket[place + 1 :]
    assert TICKETS.read(changed, OWNER, PERSON) == (17 if changed == ticket else None)


@given(st.text(max_size=64))
def test_whatever_else_comes_is_none(text: str) -> None:
    assert TICKETS.read(text, OWNER, PERSON) is None


def test_it_is_good_for_one_person_and_one_room() -> None:
    ticket = TICKETS.sign(OWNER, PERSON, 17)
    assert TICKETS.read(ticket, OWNER, uuid4()) is None
    assert TICKETS.read(ticket, uuid4(), PERSON) is None
    assert TICKETS.read(ticket, PERSON, OWNER) is None


def test_it_outlives_a_change_of_the_secret_once() -> None:
    ticket = TICKETS.sign(OWNER, PERSON, 17)
    assert Tickets("a new secret", "the present secret").read(ticket, OWNER, PERSON) == 17
    assert Tickets("a new secret").read(ticket, OWNER, PERSON) is None
