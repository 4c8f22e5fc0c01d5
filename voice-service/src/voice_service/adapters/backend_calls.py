"""A step of a call to a speech backend: bounded in time, and what goes wrong becomes one of three errors."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import httpx
import structlog
from prometheus_client import Counter
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException

from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable

log = structlog.get_logger()

TRANSCRIBER = "transcriber"
SYNTHESIZER = "synthesizer"

CONNECT_SECONDS = 5.0
SEND_SECONDS = 5.0
RESULT_SECONDS = 20.0
"""How long text, or the next part of audio, may take. Two attempts and the time to reconnect are less than
the minute after which the gateway closes a session that nothing comes from."""

FAILURES = Counter(
    "voice_backend_failures_total",
    "Failures of speech backends: `lost` connections and attempts to connect, which are followed by another,"
    " and `refused` requests, which includes reported errors and responses that break the protocol.",
    ["backend", "kind"],
)
for _backend in (TRANSCRIBER, SYNTHESIZER):
    for _kind in ("lost", "refused"):
        FAILURES.labels(_backend, _kind)

_LOST = (
    OSError,  # which connection errors and timeouts are
    EOFError,
    httpx.TransportError,
    ConnectionClosed,
    InvalidMessage,  # a handshake that breaks off
)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
_UNREACHABLE_STATUSES = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""What a proxy responds with in place of a server that it cannot reach."""

_REFUSED = (
    httpx.HTTPError,
    WebSocketException,
    # What libraries and our own code raise when they read what is not of the protocol:
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    RecursionError,
)


@asynccontextmanager
async def backend_call(
    backend: str, seconds: float | None = None, *, connecting: bool = False
) -> AsyncIterator[None]:
    """Bounds the block in time, and raises what goes wrong in it, counted and logged without what was said.

    Args:
        backend: `TRANSCRIBER` or `SYNTHESIZER`.
        seconds: How long the block may take; None when its parts are bounded.
        connecting: Whether the block only connects to the backend.

    Raises:
        BackendUnreachable: the backend cannot be reached.
        BackendLost: it does not respond in time, or has dropped the connection.
        BackendFailed: it refuses, reports an error, or sends what is not of its protocol.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except (*_LOST, *_REFUSED) as error:
        status = _status(error)
        failure = _failure(error, status, connecting=connecting)
        kind = "lost" if issubclass(failure, BackendLost) else "refused"
        FAILURES.labels(backend, kind).inc()
        log.warning(
            "speech backend failed", backend=backend, kind=kind, error=type(error).__name__, status=status
        )
        raise failure from error


def text_of(value: object) -> str:
    """Returns a transcript as a backend sent it.

    Raises:
        TypeError: it is not text.
    """
    if not isinstance(value, str):
        raise TypeError("the transcript is not text")
    return value


def _failure(error: Exception, status: int | None, *, connecting: bool) -> type[BackendFailed]:
    if isinstance(error, _UNREACHABLE) or status in _UNREACHABLE_STATUSES:
        return BackendUnreachable
    if status is not None:
        return BackendLost if status >= HTTPStatus.INTERNAL_SERVER_ERROR else BackendFailed
    if isinstance(error, _LOST):
        return BackendUnreachable if connecting else BackendLost
    return BackendFailed


def _status(error: Exception) -> int | None:
    if isinstance(error, httpx.HTTPStatusError | InvalidStatus):
        return error.response.status_code
    return None
