"""The operations port: /metrics, /health and /ready. Requests do no I/O and are not logged."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from chassis import metrics
from chassis.http.server import HttpServer, open_http
from chassis.readiness import Readiness

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON = b"application/json"


class OperationsApp:
    """An ASGI app of three routes."""

    def __init__(self, readiness: Readiness, *, service: str, version: str) -> None:
        self._readiness = readiness
        self._service = service
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        del receive
        if scope["type"] != "http":
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _answer(scope, send, 405, b"", b"text/plain", headers=((b"allow", b"GET, HEAD"),))
            return
        path = scope["path"]
        if path == "/metrics":
            body, content_type = metrics.exposition(
                _header(scope, b"accept"), scope["query_string"].decode("latin-1")
            )
            await _answer(scope, send, 200, body, content_type.encode())
        elif path == "/health":
            await _answer(scope, send, 200, self.health(), _JSON)
        elif path == "/ready":
            status, body = self.ready()
            await _answer(scope, send, status, body, _JSON)
        else:
            await _answer(scope, send, 404, b"not found\n", b"text/plain")

    def health(self) -> bytes:
        """Returns the body of /health."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps(
            {"status": "healthy", "service": self._service, "version": self._version, "timestamp": now}
        ).encode()

    def ready(self) -> tuple[int, bytes]:
        """Returns status and body of /ready."""
        ready = self._readiness.ready
        body = {"status": "ready" if ready else "not_ready", "checks": self._readiness.checks()}
        return 200 if ready else 503, json.dumps(body).encode()


def open_operations(
    readiness: Readiness, *, service: str, version: str, host: str, port: int
) -> AbstractAsyncContextManager[HttpServer]:
    """Serves /metrics, /health and /ready during the block.

    Raises:
        StartupError: the port is not available.
    """
    return open_http(OperationsApp(readiness, service=service, version=version), host=host, port=port)


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


async def _answer(
    scope: Scope,
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes,
    *,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    every = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
