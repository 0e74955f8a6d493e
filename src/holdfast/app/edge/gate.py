"""The first and last thing that a request meets: its id, its limits, and the headers that every answer carries."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from holdfast.app.edge.answers import Answer
from holdfast.app.edge.asgi import App, Header, Message, Receive, Scope, Send
from holdfast.app.edge.crowd import COME_BACK_S, Crowd
from holdfast.app.edge.express import Lane
from holdfast.app.edge.limiting import Tally
from holdfast.app.edge.metrics import RequestMetrics
from holdfast.app.edge.problems import problem_answer
from holdfast.app.edge.refusals import PathUnknown
from holdfast.app.edge.visits import Visit, current
from holdfast.app.logs import answered
from holdfast.common.errors import NotSignedIn, Overloaded
from holdfast.common.guards import CALLER, Verify
from holdfast.limits import LimitReached, network_of

SOCKET_PATH: Final = "/socket.io"
_LOOPBACK: Final = ("127.", "::1")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ufffd]")

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"vary", b"accept-language, authorization"),
)
# What an answer may say otherwise: a page has scripts, a public list may be kept for a while.
DEFAULT_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_REPLAYED: Final = (b"idempotency-replayed", b"true")


class Gate:
    """The ASGI application that the server calls. Behind it are the routes and the sockets."""

    def __init__(
        self,
        app: App,
        *,
        verify: Verify,
        metrics: RequestMetrics,
        lanes: Mapping[tuple[str, str], Lane] | None = None,
        sockets: App | None = None,
        tally: Tally | None = None,
        trusted_proxies: int = 0,
        spares_loopback: bool = False,
        is_https: bool = False,
    ) -> None:
        """``tally`` counts requests; None lets everyone through. ``spares_loopback`` exempts people of this machine who did not sign in."""
        self._app = app
        self._verify = verify
        self._metrics = metrics
        self._lanes = lanes or {}
        self._sockets = sockets
        self._tally = tally
        self._crowd = Crowd()
        self._trusted_proxies = trusted_proxies
        self._spares_loopback = spares_loopback
        self._headers: Sequence[Header] = (*SECURITY_HEADERS, _HSTS) if is_https else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind in ("http", "websocket") and self._sockets is not None and scope["path"].startswith(SOCKET_PATH):
            await self._sockets(scope, receive, send)
        elif kind == "http":
            await self._visit(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1000, "reason": ""})
        else:
            await self._app(scope, receive, send)

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        visit = Visit(scope, receive, self._verify, self._trusted_proxies)
        current.set(visit)
        method: str = scope["method"]
        is_head = method == "HEAD"
        if is_head:
            # Answered like GET, and the body kept back.
            scope = {**scope, "method": "GET"}
            visit.scope = scope
        scope[CALLER] = visit
        answered.set(visit)
        extra: list[Header] = [(b"x-request-id", visit.request_id)]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = self._complete(message["headers"], extra, visit)
            elif is_head:
                message["body"] = b""
            await send(message)

        admitted = self._crowd.admits(scope["path"])
        try:
            refused = None if admitted else problem_answer(Overloaded(retry_after=COME_BACK_S), visit)
            if refused is None and self._tally is not None:
                refused = await self._limited(visit, self._tally, extra)
            if refused is None and _CONTROL.search(scope["path"]):
                refused = problem_answer(PathUnknown(), visit)
            lane = self._lanes.get((method, scope["path"]))
            if refused is None and lane is not None and not scope["query_string"]:
                await (await lane.answer(visit))(scope, receive, answer)
            else:
                await (refused or self._app)(scope, receive, answer)
        except Exception as error:
            if visit.status:
                raise
            await problem_answer(error, visit)(scope, receive, answer)
        finally:
            if admitted:
                self._crowd.leave()
            self._metrics.observe(method, scope.get("path_template"), visit.status, time.perf_counter() - started)

    async def _limited(self, visit: Visit, tally: Tally, extra: list[Header]) -> Answer | None:
        caller: object = None
        if b"authorization" in visit.headers:
            try:
                caller = (await visit.actor()).id
            except NotSignedIn:
                # Whether that matters is for the route to say; guessing tokens counts like everything else from there.
                caller = None
        if caller is None:
            address = visit.address
            caller = network_of(address)
            if self._spares_loopback and address.startswith(_LOOPBACK):
                return None
        standing = tally.count(caller)
        extra += ((b"ratelimit-policy", tally.policy), (b"ratelimit", b'"default";r=%d;t=%d' % (standing.remaining, standing.resets_in_s)))
        return problem_answer(LimitReached(retry_after=standing.resets_in_s), visit) if standing.is_over else None

    def _complete(self, given: Sequence[Header], extra: list[Header], visit: Visit) -> list[Header]:
        headers = [*given, *self._headers, *extra]
        names = {name for name, _ in given}
        headers.extend(header for header in DEFAULT_HEADERS if header[0] not in names)
        if visit.key is not None and visit.key.replayed:
            headers.append(_REPLAYED)
        return headers
