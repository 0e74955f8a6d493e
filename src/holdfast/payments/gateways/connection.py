"""What gateways over HTTP have in common: calls with a deadline, which answer or are unknown, and ids read back from strangers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import httpx
import msgspec

from holdfast.common.errors import NotFound
from holdfast.common.ids import Id
from holdfast.database import forbid_inside_transaction
from holdfast.payments.gateway import Unknown

TIMEOUT_S = 5.0
CONNECTIONS_MAX = 50
# Shorter than servers keep idle connections: one that the other side is just closing would make an outcome unknown for nothing.
IDLE_MAX_S = 4.0
REFUSED = 401
_JSON = {"Content-Type": "application/json"}

T = TypeVar("T")
I = TypeVar("I", bound=Id)  # noqa: E741


class Connection:
    """Calls to one gateway. Redirects are not followed: nobody but this gateway is to see what is sent."""

    def __init__(self, name: str, url: str, *, timeout_s: float) -> None:
        """``timeout_s`` is for a whole call."""
        self._name = name
        self._timeout_s = timeout_s
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=timeout_s,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_MAX_S),
            trust_env=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        meant: frozenset[int],
        headers: Mapping[str, str],
        json: object = None,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response | Unknown:
        """The answer, where its status is one of those that mean something. Everything else says nothing about what was done."""
        forbid_inside_transaction(f"the gateway {self._name}: {method} {path}")
        try:
            async with asyncio.timeout(self._timeout_s):
                if json is not None:
                    answer = await self._client.request(method, path, content=msgspec.json.encode(json), headers={**_JSON, **headers})
                else:
                    answer = await self._client.request(method, path, data=form, headers=headers)
        except (httpx.HTTPError, TimeoutError) as error:
            return Unknown(f"no answer: {type(error).__name__}")
        return answer if answer.status_code in meant else Unknown(f"answered with status {answer.status_code}")


class AccessToken:
    """A token that lives for a while, kept until it is about to end. Many that need one at once fetch it once."""

    def __init__(self, fetch: Callable[[], Awaitable[tuple[str, float] | Unknown]]) -> None:
        """``fetch`` gives a token and for how many seconds it is used."""
        self._fetch = fetch
        self._token = ""
        self._ends_at = 0.0
        self._fetching = asyncio.Lock()

    async def get(self) -> str | Unknown:
        async with self._fetching:
            if time.monotonic() < self._ends_at:
                return self._token
            fetched = await self._fetch()
            if isinstance(fetched, Unknown):
                return fetched
            self._token, lives_s = fetched
            self._ends_at = time.monotonic() + lives_s
            return self._token

    def forget(self, token: str) -> None:
        """It was refused. A newer one is kept."""
        if token == self._token:
            self._ends_at = 0.0


def read(content: bytes, wanted: type[T], *, strict: bool = False) -> T | Unknown:
    """What an answer says. Unless ``strict``, numbers and truth values may be written as text: gateways do."""
    try:
        return msgspec.json.decode(content, type=wanted, strict=strict)
    except msgspec.MsgspecError as error:
        return Unknown(f"an answer that makes no sense: {error}")


def ours(wanted: type[I], text: str | None) -> I | None:
    """Our id, or None: others may use the same account."""
    try:
        return wanted.parse(text or "")
    except (ValueError, NotFound):
        return None


def age(made: Id) -> timedelta:
    """How long ago an id was made."""
    return timedelta(milliseconds=time.time_ns() // 1_000_000 - (made.int >> 80))
