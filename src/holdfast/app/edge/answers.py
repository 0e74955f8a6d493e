"""What goes back: a finished answer of bytes, and how views become one."""

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

from holdfast.app.edge.asgi import Header, Receive, Scope, Send
from holdfast.common.paging import PageView
from holdfast.common.wire import encode_hook

JSON: Final = (b"content-type", b"application/json")
_NO_CONTENT: Final = 204
_PLAIN: Final = {"background", "media_type", "status_code", "type_encoders"}
ENCODER: Final = msgspec.json.Encoder(enc_hook=encode_hook)


class Answer:
    """An answer whose bytes are known."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: list[Header], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = content

    def to_asgi_response(self, *_: object, **__: object) -> "Answer":
        """Litestar asks the answers of exception handlers for this."""
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class ViewResponse(Response[Any]):
    """A view as JSON. Litestar's own class builds a dozen objects on the way to the same bytes."""

    def __init__(self, content: Any, **named: Any) -> None:
        if named.keys() == _PLAIN and named["background"] is None:
            self.content = content
            self.media_type = named["media_type"]
            self.status_code = named["status_code"]
            self.encoding = "utf-8"
            self.background = None
            self.headers = {}
            self.cookies = []
            self.response_type_encoders = named["type_encoders"] or {}
        else:
            super().__init__(content, **named)

    def to_asgi_response(self, app: object, request: Request[Any, Any, Any], **named: Any) -> Any:
        content = self.content
        if self.headers or self.cookies or isinstance(content, bytes | str) or self.media_type != MediaType.JSON or named.get("cookies"):
            return super().to_asgi_response(None, request, **named)
        status = self.status_code or named["status_code"]
        if content is None and status == _NO_CONTENT:
            return Answer(status, [], b"")
        body = ENCODER.encode(content)
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        headers.extend((name.lower().encode(), value.encode("latin-1")) for name, value in (named.get("headers") or {}).items())
        if isinstance(content, PageView) and content.pagination.next_cursor is not None:
            headers.append((b"link", _next_link(request, content.pagination.next_cursor)))
        return Answer(status, headers, body)


def _next_link(request: Request[Any, Any, Any], cursor: str) -> bytes:
    query: Iterable[tuple[str, str]] = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    following = [(name, value) for name, value in query if name not in ("cursor", "page")] + [("cursor", cursor)]
    return f'<{request.scope["path"]}?{urlencode(following)}>; rel="next"'.encode("latin-1", "replace")
