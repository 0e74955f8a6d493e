"""Card numbers that somebody sends all the same: in no row, in no log, in no answer (docs/explain/pci.md)."""

import io
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import structlog
from httpx import Response
from psycopg import sql
from tests.payments.till import Till, open_till, signed_in

from holdfast.app.logs import configure, mask_text
from holdfast.common.actor import Actor, Role
from holdfast.common.cards import holds_card_number
from holdfast.config import Settings
from holdfast.database import Database
from holdfast.idempotency import IdempotencyKey
from holdfast.payments.dto import PayRequest

# The schemes' own test numbers, and ways to write them.
NUMBERS = ("4242424242424242", "5555555555554444", "2223003122003222", "378282246310005", "6011111111111117")
WRITTEN = (
    "{}",
    "card={}",
    "tok_{}",
    '{{"pan":"{}"}}',
    "{}|12/29|123",
    "%22{}%22",
)
CANARIES = tuple(way.format(number) for number in NUMBERS for way in WRITTEN)
GROUPED = ("4242 4242 4242 4242", "4242-4242-4242-4242", "3782 822463 10005")

_COLUMNS = """
    SELECT c.oid::regclass::text AS relation, a.attname AS name, a.atttypid::regtype::text AS type
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND a.attnum > 0 AND NOT a.attisdropped
       AND a.atttypid::regtype::text IN ('text', 'jsonb', 'json', 'bytea', 'character varying', 'text[]', 'character')
"""


@pytest.fixture
async def till(database: Database, owner: Database, tmp_path: Path) -> AsyncIterator[Till]:
    async with open_till(database, owner, tmp_path) as opened:
        yield opened


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Everything that our log says, down to the libraries' debugging, as production writes it."""
    root, written = logging.getLogger(), io.StringIO()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", written)
    configure(Settings(_env_file=None, log_level="debug", log_json=True))  # type: ignore[call-arg]
    yield written
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)


def found_in_database(superuser_url: str) -> dict[str, int]:
    """Where numbers are kept, in whatever column can hold a text."""
    found: dict[str, int] = {}
    with psycopg.connect(superuser_url) as connection:
        for relation, name, type_ in connection.execute(_COLUMNS).fetchall():
            value = sql.SQL("encode({}, 'escape')") if type_ == "bytea" else sql.SQL("{}::text")
            condition = sql.SQL("regexp_replace({}, '[ -]', '', 'g') ~ {}").format(
                value.format(sql.Identifier(name)), sql.Literal("|".join(NUMBERS))
            )
            counted = connection.execute(sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.SQL(relation), condition)).fetchone()
            assert counted is not None
            if counted[0]:
                found[f"{relation}.{name}"] = counted[0]
    return found


def numbers_in(text: str) -> list[str]:
    squeezed = text.replace(" ", "").replace("-", "")
    return [number for number in NUMBERS if number in squeezed]


def text_fields() -> list[str]:
    """Every field of a payment's body, so that a new one is tried too."""
    return [field.encode_name for field in msgspec.structs.fields(PayRequest)]


async def send_everywhere(till: Till, canary: str) -> list[Response]:
    """Send a number in every text that the payment API reads."""
    thing = await till.thing()
    answers = []
    good = {"bookingId": str(thing.id), "method": "CARD", "token": "tok_success"}
    for field in text_fields():
        headers = signed_in(Actor(thing.payer_id, Role.PASSENGER))
        answers.append(await till.client.post("/payments/pay", json={**good, field: canary}, headers=headers))
    for name in ("Idempotency-Key", "X-Request-Id", "Accept-Language", "User-Agent", "traceparent", "Authorization"):
        headers = {**signed_in(Actor(thing.payer_id, Role.PASSENGER)), name: canary}
        # What is carried out must not be carried out for a thing that the next one still needs.
        answers.append(await till.client.post("/payments/pay", json={**good, "token": "tok_decline_insufficient_funds"}, headers=headers))
    headers = signed_in(Actor(thing.payer_id, Role.PASSENGER))
    answers.append(await till.client.post("/payments/pay", json={**good, canary: "x"}, headers=headers))
    answers.append(await till.client.post("/payments/pay", content=canary.encode(), headers=headers))
    answers.append(await till.client.get(f"/payments/{canary.replace('/', '_')}", headers=headers))
    for gateway in ("sandbox", canary.replace("/", "_")):
        signature = {"webhook-id": canary, "webhook-timestamp": canary, "webhook-signature": canary}
        answers.append(await till.client.post(f"/webhooks/gateways/{gateway}?hmac={canary}", content=canary.encode(), headers=signature))
    return answers


@pytest.mark.parametrize("number", [NUMBERS[0], NUMBERS[3]])
async def test_a_number_is_in_no_row_no_log_and_no_answer(till: Till, number: str, logged: io.StringIO, superuser_url: str) -> None:
    refused_tokens = 0
    for way in WRITTEN:
        for answer in await send_everywhere(till, way.format(number)):
            said = f"{answer.text} {[(name, value) for name, value in answer.headers.items()]}"
            assert numbers_in(said) == [], said
            refused_tokens += answer.status_code in (400, 422)
    assert refused_tokens >= len(WRITTEN) * 3
    assert found_in_database(superuser_url) == {}
    written = logged.getvalue()
    assert "httpx" in written
    assert [line for line in written.splitlines() if numbers_in(line)] == []


@pytest.mark.parametrize("canary", [*CANARIES, *GROUPED])
async def test_a_number_as_a_token_is_refused_before_anything_happens(till: Till, canary: str) -> None:
    thing = await till.thing()
    body = {"bookingId": str(thing.id), "method": "CARD", "token": canary}
    answer = await till.client.post("/payments/pay", json=body, headers=signed_in(Actor(thing.payer_id, Role.PASSENGER)))
    assert answer.status_code == 422, answer.text
    assert not await till.attempts(thing)


async def test_the_search_finds_what_is_there(till: Till, superuser_url: str, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a number that got in is seen, in text, JSON and bytes, and in a log that nothing masks."""
    thing = await till.thing()
    await till.pay(thing, "tok_success", IdempotencyKey(NUMBERS[0], b"fingerprint"))
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO gateway_webhooks (id, gateway, event_id, facts, body, apply_after)"
            " VALUES (gen_random_uuid(), 'sandbox', 'msg', %s, %s, now())",
            (f'[{{"pan": "{GROUPED[0]}"}}]', NUMBERS[1].encode()),
        )
    found = found_in_database(superuser_url)
    assert {"payments.idempotency_key", "gateway_webhooks.facts", "gateway_webhooks.body"} <= set(found)
    monkeypatch.setattr("holdfast.app.logs.mask_text", lambda text: text)
    logging.getLogger("holdfast.test").warning("paid with %s", NUMBERS[2])
    assert numbers_in(logged.getvalue()) == [NUMBERS[2]]


@pytest.mark.parametrize("canary", [*CANARIES, *GROUPED])
def test_a_log_masks_it(canary: str) -> None:
    assert numbers_in(mask_text(f"paid with {canary} today")) == []


@pytest.mark.parametrize("canary", [*CANARIES, *GROUPED])
def test_a_number_is_found(canary: str) -> None:
    assert holds_card_number(canary)


@pytest.mark.parametrize(
    "harmless",
    [
        "4242424242424241",
        "018f3a2b-7c4d-7e5f-8a9b-123456789012",
        "1732700000000",
        "1732700000000000",
        "tok_success",
        "pm_1N3T00LkdIwHu7ixt44h1F8k",
        "e5f0c14242424242424242ab",
        "42424242424242424242424242",
        "",
    ],
)
def test_what_only_looks_like_one_is_taken(harmless: str) -> None:
    assert not holds_card_number(harmless)


def test_every_text_of_a_payment_is_tried() -> None:
    assert set(text_fields()) >= {"method", "holdId", "bookingId", "topUpId", "token"}
    kinds: dict[str, Any] = {field.encode_name: field.type for field in msgspec.structs.fields(PayRequest)}
    assert all("str" in str(kind) or "Literal" in str(kind) or kind is bool for kind in kinds.values())
