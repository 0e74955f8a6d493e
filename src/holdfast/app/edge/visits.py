"""One request, as the edge sees it: who calls, from where, in which language, under which key."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from os import urandom
from typing import Any, Final

from litestar import Request

from holdfast.app.edge.asgi import Receive, Scope
from holdfast.app.edge.refusals import BadRequest, IfMatchMalformed, TooLarge
from holdfast.common.actor import Actor
from holdfast.common.cards import holds_card_number
from holdfast.common.errors import NotSignedIn, Outdated
from holdfast.common.guards import CALLER, Verify
from holdfast.common.language import Language
from holdfast.idempotency import IdempotencyKey

_SANE_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT: Final = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]{1,4096})")
_VERSION: Final = re.compile(rb'"(\d{1,18})"')
_ETAGS: Final = re.compile(rb'\*|(?:W/)?"[!#-~]*"(?:[ \t]*,[ \t]*(?:W/)?"[!#-~]*")*')
_LANGUAGE_HEADER_MAX: Final = 200
_LENGTH_DIGITS_MAX: Final = 18

NOWHERE: Final = "0.0.0.0"


class Visit:
    """What the headers of one request say. Each is read when it is asked for, the access token at most once."""

    __slots__ = (
        "_actor",
        "_body",
        "_receive",
        "_refusal",
        "_trusted_proxies",
        "_verify",
        "headers",
        "key",
        "request_id",
        "scope",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, verify: Verify, trusted_proxies: int) -> None:
        self.scope = scope
        self._receive = receive
        self._body: bytes | None = None
        # A header that comes twice counts as its last.
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.key: IdempotencyKey | None = None
        self.status = 0
        self._verify = verify
        self._trusted_proxies = trusted_proxies
        self._actor: Actor | None = None
        self._refusal: NotSignedIn | None = None
        given = self.headers.get(b"x-request-id")
        is_sane = given is not None and _SANE_REQUEST_ID.fullmatch(given) is not None and not holds_card_number(given.decode())
        self.request_id: bytes = given if given is not None and is_sane else b"req_" + urandom(13).hex().encode()

    @classmethod
    def of(cls, request: Request[Any, Any, Any]) -> "Visit":
        """The visit that the gate keeps in the ASGI scope."""
        visit: Visit = request.scope[CALLER]  # type: ignore[typeddict-item]
        return visit

    async def actor(self) -> Actor:
        """Who calls. Raises NotSignedIn."""
        if self._actor is not None:
            return self._actor
        if self._refusal is None:
            token = _BEARER.fullmatch(self.headers.get(b"authorization", b""))
            if token is not None:
                try:
                    self._actor = await self._verify(token[1].decode())
                except NotSignedIn as refusal:
                    self._refusal = refusal
                else:
                    return self._actor
            else:
                self._refusal = NotSignedIn()
        raise self._refusal

    async def maybe_actor(self) -> Actor | None:
        """Who calls, or None who does not sign in. Raises NotSignedIn for a token that is not (or no longer) valid."""
        return await self.actor() if b"authorization" in self.headers else None

    async def body(self, bytes_max: int) -> bytes:
        """The whole body, read once. Raises TooLarge, before it is read where the client says its length."""
        if self._body is None:
            length = self.headers.get(b"content-length", b"0")
            if len(length) > _LENGTH_DIGITS_MAX or int(length) > bytes_max:
                raise TooLarge(bytes_max=bytes_max)
            body, is_more = b"", True
            while is_more:
                message = await self._receive()
                if message["type"] != "http.request":
                    # The client has gone, so nobody will read this.
                    raise BadRequest
                body += message["body"]
                is_more = message.get("more_body", False)
                if len(body) > bytes_max:
                    raise TooLarge(bytes_max=bytes_max)
            self._body = body
        return self._body

    @property
    def trace_id(self) -> str | None:
        """The id of the trace (W3C Trace Context) that this request is part of."""
        given = self.headers.get(b"traceparent")
        found = _TRACEPARENT.fullmatch(given) if given else None
        return found[1].decode() if found else None

    @property
    def language(self) -> Language:
        given = self.headers.get(b"accept-language")
        return _preferred(given) if given and len(given) <= _LANGUAGE_HEADER_MAX else Language.EN

    @property
    def address(self) -> str:
        """The IP address of the client: the peer's, or what the proxies that we trust say that it is."""
        return address_of(self.scope, self._trusted_proxies)

    @property
    def device(self) -> str | None:
        """What an app says that its device is. Anybody can write anything there, so it only ever counts against somebody."""
        given = self.headers.get(b"x-device-id")
        return given.decode("latin-1") if given else None

    @property
    def version(self) -> int | None:
        """The version in If-Match, or None without one. Raises Outdated where it is none of ours, IfMatchMalformed where it is no ETag."""
        given = self.headers.get(b"if-match")
        if not given:
            return None
        found = _VERSION.fullmatch(given)
        if found is not None:
            return int(found[1])
        raise Outdated if _ETAGS.fullmatch(given) else IfMatchMalformed


current: Final[ContextVar[Visit]] = ContextVar("visit")
"""The visit that this task answers. Dependencies read it here: Litestar takes longer to hand them the request than they take to answer."""


def address_of(scope: Scope, trusted_proxies: int) -> str:
    """The IP address of a client: the peer's, or what the outermost proxy that we trust says that it is."""
    client = scope.get("client")
    peer = (_plain_address(client[0]) if client else None) or NOWHERE
    if trusted_proxies:
        named = [name for header, value in scope["headers"] if header == b"x-forwarded-for" for name in value.split(b",")]
        if len(named) >= trusted_proxies:
            return _plain_address(named[-trusted_proxies].decode("latin-1").strip()) or peer
    return peer


@lru_cache(256)
def _preferred(header: bytes) -> Language:
    best, found = 0.0, Language.EN
    for choice in header.decode("latin-1").lower().split(","):
        name, _, parameters = choice.strip().partition(";")
        language = name.split("-")[0].strip()
        try:
            weight = float(parameters.partition("=")[2]) if parameters.strip().startswith("q=") else 1.0
        except ValueError:
            continue
        if weight > best and language in (Language.AR, Language.EN):
            best, found = weight, Language(language)
    return found


@lru_cache(4096)
def _plain_address(text: str) -> str | None:
    """An IPv4 address that came dressed as IPv6 is shown as what it is; a port is dropped."""
    bare = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
