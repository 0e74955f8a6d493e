"""What must never be read in a log, put into it in every way that there is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.app.logs import MASK, mask, mask_text

CANARIES = {
    "phone": "+201000012345",
    "local phone": "01000012345",
    "phone with spaces": "+20 100 001 2345",
    "token": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c3JfMDFjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ",
    "refresh token": "canary-refresh-token-8f2b",
    "code": "739154",
    "card": "4242 4242 4242 4242",
    "card without spaces": "5555555555554444",
    "database password": "canary-database-password",
    "vault key": "canary-vault-key",
}

PROGRAM = """
import logging, sys, warnings
import structlog
from holdfast.app.logs import configure
from holdfast.config import Settings

configure(Settings(_env_file=None, log_json=sys.argv[1] == "json"))
c = eval(sys.argv[2])
log = structlog.get_logger("holdfast.test")
structlog.contextvars.bind_contextvars(request_id="req-7", phone=c["phone"])
log.info("signed in", access_token=c["token"], refreshToken=c["refresh token"], code=c["code"])
log.info("body", body={"card": {"number": c["card"]}, "list": [c["phone"]]})
log.warning(f"sent to {c['phone']} and {c['local phone']} and {c['phone with spaces']}: your sign-in code is {c['code']}")
log.info("paid with %s" % c["card"], raw=c["card without spaces"].encode())
logging.getLogger("uvicorn.error").info("Authorization: Bearer %s; postgresql://app:%s@/db", c["token"], c["database password"])
logging.getLogger("library").warning("GET /x?token=%s&code=%s", c["refresh token"], c["code"], extra={"vault_key": c["vault key"]})
warnings.warn("phone " + c["phone"])
try:
    raise ValueError(f"Key (phone)=({c['phone']}) already exists, password={c['database password']}")
except ValueError:
    log.exception("refused")
raise RuntimeError(f"uncaught with {c['token']} and {c['card']}")
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_canary_is_seen(form: str, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, form, repr(CANARIES)], capture_output=True, text=True, check=False, cwd=tmp_path)
    logged = ran.stderr + ran.stdout
    for name, canary in CANARIES.items():
        assert canary not in logged, f"{name}: {logged}"
    for said in ("signed in", "req-7", "refused", "already exists", "uncaught with", "GET /x", "paid with"):
        assert said in logged
    if form == "json":
        assert all(json.loads(line)["timestamp"] for line in logged.splitlines())


@pytest.mark.parametrize(
    "harmless",
    [
        "code: sold_out",
        "usr_01jd2v6zq8e3x9h4t5k6m7n8p9 holds 14 of ses_01jd2v6zq8e3x9h4t5k6m7n8p9",
        "018f3a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b",
        "listening on 127.0.0.1:8000, 1000000000000 rows in 0.25 s",
        "2026-11-21T10:13:48.672924Z",
        "answered 409 in 12.5 ms",
    ],
)
def test_what_is_needed_is_kept(harmless: str) -> None:
    assert mask_text(harmless) == harmless


def test_keys_are_judged_however_they_are_written() -> None:
    masked = mask(
        {"phoneNumber": "x", "X-API-Key": "x", "refresh_token": "x", "otpHash": "x", "status_code": 200, "availableSeats": 3, "key": "k"}
    )
    assert masked == {
        "phoneNumber": MASK,
        "X-API-Key": MASK,
        "refresh_token": MASK,
        "otpHash": MASK,
        "status_code": 200,
        "availableSeats": 3,
        "key": "k",
    }
