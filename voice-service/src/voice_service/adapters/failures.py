"""What can go wrong with a speech backend, and which of it is a loss: then another attempt may work."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx
import structlog
from prometheus_client import Counter
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus, WebSocketException

from voice_service.domain.speech import BackendFailed, BackendLost

log = structlog.get_logger()

TRANSCRIBER = "transcriber"
SYNTHESIZER = "synthesizer"

FAILURES = Counter(
    "voice_backend_failures_total",
    "Failures of speech backends: `lost` connections, which are tried once more, and `refused` requests,"
    " which includes reported errors and responses that break the protocol.",
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


@contextmanager
def backend_failures(backend: str) -> Iterator[None]:
    """Raises what goes wrong in the block as `BackendFailed`, counted and logged, without what was said.

    Args:
        backend: `TRANSCRIBER` or `SYNTHESIZER`.

    Raises:
        BackendLost: the backend cannot be reached, does not respond in time, or has dropped the connection.
        BackendFailed: it refuses, reports an error, or sends what is not of its protocol.
    """
    try:
        yield
    except (*_LOST, *_REFUSED) as error:
        status = _status(error)
        is_lost = isinstance(error, _LOST) if status is None else status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = "lost" if is_lost else "refused"
        FAILURES.labels(backend, kind).inc()
        log.warning(
            "speech backend failed", backend=backend, kind=kind, error=type(error).__name__, status=status
        )
        raise (BackendLost if is_lost else BackendFailed) from error


def _status(error: Exception) -> int | None:
    match error:
        case httpx.HTTPStatusError():
            return error.response.status_code
        case InvalidStatus():
            return error.response.status_code
    return None
