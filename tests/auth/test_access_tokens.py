"""Access tokens: what is let in, and every forgery that is not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from tests.auth.front_door import ISSUER, FrontDoor

from holdfast.auth.keys import TokenKeys
from holdfast.auth.tokens import KNOWN_MAX, AccessTokens
from holdfast.common.actor import Role
from holdfast.common.errors import NotSignedIn
from holdfast.database import Database

MALLORY = ed25519.Ed25519PrivateKey.generate()


def _b64(value: bytes | str | Mapping[str, Any]) -> str:
    raw = value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Forge:
    """A good token, its parts, and the key that signed it."""

    def __init__(self, token: str, keys: TokenKeys) -> None:
        self.token = token
        self.keys = keys
        self.kid = keys.kid
        head, body, self.signature = token.split(".")
        self.head: dict[str, Any] = json.loads(base64.urlsafe_b64decode(head + "=="))
        self.body: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=="))

    def signed(self, body: Mapping[str, Any] | None = None, head: Mapping[str, Any] | None = None, key: Any = None) -> str:
        """A token of other parts, by default signed as ours are."""
        header = self.head | dict(head or {})
        parts = f"{_b64(header)}.{_b64(self.body | dict(body or {}))}"
        return f"{parts}.{_b64((key or self.keys.private).sign(parts.encode()))}"

    def without(self, claim: str) -> str:
        self.body.pop(claim)
        return self.signed()

    def with_hmac(self, algorithm: str, secret: bytes) -> str:
        """The public key taken for the secret of an HMAC."""
        parts = f"{_b64(self.head | {'alg': algorithm})}.{_b64(self.body)}"
        return f"{parts}.{_b64(hmac.digest(secret, parts.encode(), hashlib.sha256))}"

    def public(self, encoding: serialization.Encoding, form: serialization.PublicFormat) -> bytes:
        return self.keys.private.public_key().public_bytes(encoding, form)


def _as(algorithm: str, key: Any) -> Callable[[Forge], str]:
    return lambda forge: jwt.encode(forge.body, key, algorithm, headers={"kid": forge.kid, "typ": "at+jwt"})


RAW, PEM = serialization.Encoding.Raw, serialization.Encoding.PEM
FORGERIES: dict[str, Callable[[Forge], str]] = {
    "nothing": lambda _: "",
    "a word": lambda _: "token",
    "two parts": lambda forge: ".".join(forge.token.split(".")[:2]),
    "four parts": lambda forge: forge.token + ".x",
    "five parts, as if encrypted": lambda forge: f"{forge.token}.x.x",
    "no signature": lambda forge: forge.token.rsplit(".", 1)[0] + ".",
    "half a signature": lambda forge: forge.token[:-40],
    "another signature": lambda forge: forge.token[:-5] + ("AAAAA" if not forge.token.endswith("AAAAA") else "BBBBB"),
    "the signature of zeros": lambda forge: forge.token.rsplit(".", 1)[0] + "." + _b64(bytes(64)),
    "another body under the same signature": lambda forge: f"{_b64(forge.head)}.{_b64(forge.body | {'role': 'ADMIN'})}.{forge.signature}",
    "alg none": lambda forge: f"{_b64({'alg': 'none', 'kid': forge.kid, 'typ': 'at+jwt'})}.{_b64(forge.body)}.",
    "alg None": lambda forge: f"{_b64({'alg': 'None', 'kid': forge.kid, 'typ': 'at+jwt'})}.{_b64(forge.body)}.",
    "alg NONE and our signature": lambda forge: forge.signed(head={"alg": "NONE"}),
    "alg missing": lambda forge: f"{_b64({'kid': forge.kid, 'typ': 'at+jwt'})}.{_b64(forge.body)}.{forge.signature}",
    "alg a list": lambda forge: forge.signed(head={"alg": ["EdDSA"]}),
    "alg in lower case": lambda forge: forge.signed(head={"alg": "eddsa"}),
    "HS256 with the public key": lambda forge: forge.with_hmac("HS256", forge.public(RAW, serialization.PublicFormat.Raw)),
    "HS256 with the public key in PEM": lambda forge: forge.with_hmac(
        "HS256", forge.public(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ),
    "HS256 with an empty secret": lambda forge: forge.with_hmac("HS256", b""),
    "EdDSA that says HS256": lambda forge: forge.signed(head={"alg": "HS256"}),
    "ES256": _as("ES256", ec.generate_private_key(ec.SECP256R1())),
    "RS256": _as("RS256", rsa.generate_private_key(65537, 2048)),
    "Ed448": _as("EdDSA", ed448.Ed448PrivateKey.generate()),
    "somebody else's key": lambda forge: forge.signed(key=MALLORY),
    "somebody else's key under its own id": lambda forge: forge.signed(head={"kid": "mallory"}, key=MALLORY),
    "kid missing": lambda forge: (forge.head.pop("kid"), forge.signed())[1],
    "kid null": lambda forge: forge.signed(head={"kid": None}),
    "kid a number": lambda forge: forge.signed(head={"kid": 0}),
    "kid a list": lambda forge: forge.signed(head={"kid": [forge.kid]}),
    "kid a path": lambda forge: forge.signed(head={"kid": "../../../../dev/null"}),
    "kid SQL": lambda forge: forge.signed(head={"kid": "' UNION SELECT 'x"}),
    "kid a command": lambda forge: forge.signed(head={"kid": "x; cat /etc/passwd"}),
    "jwk inside": lambda forge: forge.signed(
        head={"jwk": {"kty": "OKP", "crv": "Ed25519", "x": _b64(MALLORY.public_key().public_bytes_raw())}}, key=MALLORY
    ),
    "jku elsewhere": lambda forge: forge.signed(head={"jku": "https://mallory.example/jwks.json"}, key=MALLORY),
    "jku with our signature": lambda forge: forge.signed(head={"jku": "https://mallory.example/jwks.json"}),
    "x5u elsewhere": lambda forge: forge.signed(head={"x5u": "https://mallory.example/cert.pem"}),
    "a critical extension": lambda forge: forge.signed(head={"crit": ["exp"], "exp": 0}),
    "body not encoded": lambda forge: forge.signed(head={"b64": False, "crit": ["b64"]}),
    "typ JWT": lambda forge: forge.signed(head={"typ": "JWT"}),
    "typ of an identity token": lambda forge: forge.signed(head={"typ": "id+jwt"}),
    "typ missing": lambda forge: (forge.head.pop("typ"), forge.signed())[1],
    "another issuer": lambda forge: forge.signed({"iss": "https://mallory.example"}),
    "our issuer and more": lambda forge: forge.signed({"iss": ISSUER + ".mallory.example"}),
    "issuers": lambda forge: forge.signed({"iss": [ISSUER]}),
    "no issuer": lambda forge: forge.without("iss"),
    "another audience": lambda forge: forge.signed({"aud": "holdfast-admin"}),
    "audiences": lambda forge: forge.signed({"aud": ["holdfast", "other"]}),
    "no audience": lambda forge: forge.without("aud"),
    "expired": lambda forge: forge.signed({"exp": int(time.time()) - 6, "iat": int(time.time()) - 606}),
    "expires as text": lambda forge: forge.signed({"exp": "never"}),
    "expires at infinity": lambda forge: forge.signed({"exp": float("inf")}),
    "no end": lambda forge: forge.without("exp"),
    "from the future": lambda forge: forge.signed({"iat": int(time.time()) + 60}),
    "not yet": lambda forge: forge.signed({"nbf": int(time.time()) + 60}),
    "no role": lambda forge: forge.without("role"),
    "an unknown role": lambda forge: forge.signed({"role": "EMPEROR"}),
    "no subject": lambda forge: forge.without("sub"),
    "another thing's id": lambda forge: forge.signed({"sub": forge.body["sub"].replace("usr_", "bkg_")}),
    "subject null": lambda forge: forge.signed({"sub": None}),
    "no sign-in": lambda forge: forge.without("sid"),
    "no generation": lambda forge: forge.without("gen"),
    "a generation of words": lambda forge: forge.signed({"gen": "latest"}),
    "an earlier generation as infinity": lambda forge: forge.signed({"gen": float("inf")}),
    "a body that is a list": lambda forge: f"{_b64(forge.head)}.{_b64(b'[1]')}.{forge.signature}",
    "a header that is a list": lambda forge: f"{_b64(b'[1]')}.{_b64(forge.body)}.{forge.signature}",
    "a header that is deep": lambda forge: f"{_b64(b'[' * 600)}.{_b64(forge.body)[:50]}.x",
    "a body without end": lambda forge: f"{_b64(forge.head)}.{_b64(b'[' * 5_000_000)}.{forge.signature}",
    "a header of garbage": lambda forge: f"{_b64(bytes(range(256)))}.{_b64(forge.body)}.{forge.signature}",
    "not ASCII": lambda forge: forge.token + "é",
    "a null byte": lambda forge: forge.token + "\x00",
    "a space": lambda forge: forge.token + " ",
    "padding": lambda forge: forge.token + "==",
    "a refresh token": lambda _: "hfr_" + "A" * 43,
}


@pytest.fixture
async def forge(door: FrontDoor) -> Forge:
    return Forge((await door.sign_in()).access_token, door.keys)


async def test_no_forgery_is_let_in(door: FrontDoor, forge: Forge) -> None:
    let_in = []
    for name, make in FORGERIES.items():
        forged = make(Forge(forge.token, forge.keys))
        # Twice: nothing that was refused may be remembered as good.
        for _ in range(2):
            try:
                await door.auth.verify(forged)
            except NotSignedIn:
                continue
            let_in.append(name)
    assert let_in == []


async def test_the_forge_can_make_good_ones(door: FrontDoor, forge: Forge) -> None:
    """Otherwise the corpus would prove nothing."""
    assert await door.auth.verify(forge.signed({"jti": "something new"})) == await door.auth.verify(forge.token)


async def test_a_token_carries_no_personal_data(forge: Forge) -> None:
    assert set(forge.head) == {"alg", "kid", "typ"}
    assert set(forge.body) == {"iss", "aud", "sub", "role", "sid", "gen", "iat", "exp"}
    assert forge.body["exp"] - forge.body["iat"] == 600


async def test_a_known_token_ends_with_its_time(door: FrontDoor, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await door.who(forge.token)).role is Role.PASSENGER
    now = time.time()
    monkeypatch.setattr("holdfast.auth.tokens.time.time", lambda: now + 601)
    with pytest.raises(NotSignedIn):
        await door.auth.verify(forge.token)


async def test_the_set_of_known_tokens_is_bounded(door: FrontDoor, forge: Forge) -> None:
    tokens = door.service._tokens
    assert isinstance(tokens, AccessTokens)
    for number in range(200):
        tokens.read(forge.signed({"n": number}))
    entry = next(iter(tokens._known.values()))
    for number in range(KNOWN_MAX + 100):
        tokens._known[str(number)] = entry
    tokens.read(forge.signed({"n": 1000}))
    tokens.read(forge.signed({"n": 1001}))
    assert len(tokens._known) <= KNOWN_MAX + 300
    assert tokens.read(forge.token)


async def test_reading_a_known_token_takes_microseconds(door: FrontDoor, forge: Forge) -> None:
    await door.auth.verify(forge.token)
    started = time.perf_counter()
    for _ in range(20_000):
        await door.auth.verify(forge.token)
    assert (time.perf_counter() - started) / 20_000 < 20e-6


async def test_keys_change_without_refusing_anybody(database: Database) -> None:
    """First everybody accepts the new secret, then everybody signs with it, then the old one is forgotten."""
    before = FrontDoor(database, secret="old " * 10)
    prepared = FrontDoor(database, secret="old " * 10, previous="new " * 10)
    turned = FrontDoor(database, secret="new " * 10, previous="old " * 10)
    after = FrontDoor(database, secret="new " * 10)
    old = (await before.sign_in()).access_token
    new = (await turned.sign_in()).access_token
    for door in (before, prepared, turned):
        assert await door.auth.verify(old)
    for door in (prepared, turned, after):
        assert await door.auth.verify(new)
    with pytest.raises(NotSignedIn):
        await after.auth.verify(old)


async def test_others_can_check_tokens_with_the_published_keys(door: FrontDoor, forge: Forge) -> None:
    async with door.http() as client:
        answer = await client.get("http://test/.well-known/jwks.json")
    keys = jwt.PyJWKSet.from_dict(answer.json())
    assert len(keys.keys) == 1
    claims = jwt.decode(forge.token, keys[forge.kid].key, algorithms=["EdDSA"], audience="holdfast", issuer=ISSUER)
    assert claims["sub"] == forge.body["sub"]
    assert "d" not in answer.json()["keys"][0]
    assert answer.headers["cache-control"] == "public, max-age=300"
