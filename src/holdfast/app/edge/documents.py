"""The OpenAPI document and Swagger UI, whose files come with the program: nothing is fetched from elsewhere."""

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Redirect

from holdfast.app.edge.openapi import document
from holdfast.common.guards import PUBLIC

FOLDER: Final = Path(__file__).parents[1] / "static" / "swagger"
_TYPES: Final[Mapping[str, str]] = {
    "index.html": "text/html; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
API_VERSION: Final = "1.0"
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Documents:
    """What tells people how to use the interface."""

    def __init__(self, base_path: str) -> None:
        self._base_path = base_path
        self._app: Litestar | None = None

    def describe(self, app: Litestar) -> None:
        """The application whose routes are shown. Writes the document at once, so that a mistake in it is found at the start."""
        self._app = app
        _ = self.openapi

    @cached_property
    def openapi(self) -> bytes:
        assert self._app is not None
        return msgspec.json.encode(document(self._app, version=API_VERSION, url="/"))

    @property
    def router(self) -> Router:
        docs = f"{self._base_path}/docs"

        @get("/", opt=PUBLIC)
        async def show_start() -> Redirect:
            return Redirect(docs, status_code=307)

        handlers: list[HTTPRouteHandler] = [show_start, _file(f"{self._base_path}/openapi.json", "application/json", lambda: self.openapi)]
        for name, media_type in _TYPES.items():
            path = docs if name == "index.html" else f"{docs}/{name}"
            handlers.append(_file(path, media_type, (FOLDER / name).read_bytes))
        return Router("/", route_handlers=handlers, include_in_schema=False)


def _file(path: str, media_type: str, read: Callable[[], bytes]) -> HTTPRouteHandler:
    kept: dict[str, bytes] = {}

    @get(path, opt=PUBLIC, media_type=media_type)
    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not kept:
            content = read()
            kept.update(content=content, etag=hashlib.sha256(content).hexdigest()[:16].encode())
        headers = {"ETag": f'"{kept["etag"].decode()}"', "Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return Response(b"", status_code=304, headers=headers)
        return Response(kept["content"], headers=headers, media_type=media_type)

    return show
