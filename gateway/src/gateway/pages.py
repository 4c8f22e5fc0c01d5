"""The gateway's own pages: probes, metrics and the API documentation."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources

from chassis.dataclass import dataclass
from chassis.http.operations import OperationsApp

from chassis import metrics
from gateway.http.problem_page import STYLE_PATH, problem_style
from gateway.http.request import Request
from gateway.http.response import Response

_Serve = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        serve: Answers a request for it.
        limited: Whether requests count against the client's limit. Those of monitoring do not: a refusal
            would look like a failure.
    """

    serve: _Serve
    limited: bool = True


_ASSETS = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}
_ASSET_CACHE = b"public, max-age=86400"

_DOCS = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vestibule API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the same is in <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# Swagger UI sets styles in attributes; scripts come from files alone.
_SWAGGER = (
    b"default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none';"
    b" form-action 'self'; frame-ancestors 'none'"
)
_START = b"""window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null
});
"""


class Pages:
    """The pages by path."""

    def __init__(self, operations: OperationsApp, document: Callable[[], bytes]) -> None:
        """Makes the pages.

        Args:
            operations: Health, readiness and metrics of this process.
            document: Makes the OpenAPI document; called once, at the first request for it.
        """
        self._operations = operations
        self._document = document
        self._openapi = b""
        self._pages: Mapping[bytes, Page] = {
            b"/health": Page(self._health, limited=False),
            b"/ready": Page(self._ready, limited=False),
            b"/metrics": Page(_metrics, limited=False),
            STYLE_PATH.encode(): Page(_problem_style, limited=False),
            b"/openapi.json": Page(self._describe),
            b"/docs": _text(_DOCS, b"text/html; charset=utf-8", content_policy=_SWAGGER),
            b"/docs/start.js": _text(_START, b"text/javascript; charset=utf-8"),
            **{
                f"/docs/{name}".encode(): _asset(name, content_type) for name, content_type in _ASSETS.items()
            },
        }

    def find(self, path: bytes) -> Page | None:
        """Returns the page at a path."""
        return self._pages.get(path)

    async def _health(self, _: Request) -> Response:
        return Response(200, self._operations.health())

    async def _ready(self, _: Request) -> Response:
        status, body = self._operations.ready()
        return Response(status, body)

    async def _describe(self, _: Request) -> Response:
        if not self._openapi:
            # It takes half a second, which must not block the event loop.
            self._openapi = await asyncio.to_thread(self._document)
        return Response(200, self._openapi, cache_control=b"no-cache")


async def _metrics(request: Request) -> Response:
    body, content_type = metrics.exposition(request.header(b"accept"), request.query.decode("latin-1"))
    return Response(200, body, content_type.encode())


async def _problem_style(_: Request) -> Response:
    return Response(200, problem_style(), b"text/css; charset=utf-8", cache_control=_ASSET_CACHE)


def _text(text: bytes, content_type: bytes, *, content_policy: bytes = b"") -> Page:
    async def serve(_: Request) -> Response:
        return Response(200, text, content_type, content_policy=content_policy)

    return Page(serve)


def _asset(name: str, content_type: bytes) -> Page:
    """Serves a file of Swagger UI from its wheel, so that the page works offline."""

    async def serve(_: Request) -> Response:
        file = resources.files("swagger_ui").joinpath("static", name)
        content = await asyncio.to_thread(file.read_bytes)
        return Response(200, content, content_type, cache_control=_ASSET_CACHE)

    return Page(serve)
