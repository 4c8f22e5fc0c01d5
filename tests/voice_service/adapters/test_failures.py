"""Which failures of a speech backend are losses."""

import asyncio
import json

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from voice_service.adapters.failures import SYNTHESIZER, backend_failures
from voice_service.domain.speech import BackendFailed, BackendLost
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidMessage, InvalidStatus, PayloadTooBig
from websockets.http11 import Response

SECRET = "what the patient said"


def http_error(status: int) -> httpx.HTTPStatusError:
    """Returns what httpx raises for a response."""
    request = httpx.Request("POST", "https://speech.test/v1")
    return httpx.HTTPStatusError(
        SECRET, request=request, response=httpx.Response(status, text=SECRET, request=request)
    )


LOST = [
    ConnectionResetError(SECRET),
    TimeoutError(SECRET),
    asyncio.IncompleteReadError(b"x", 2),
    httpx.ConnectError(SECRET),
    httpx.ReadTimeout(SECRET),
    httpx.RemoteProtocolError(SECRET),
    http_error(500),
    http_error(503),
    ConnectionClosedError(None, None),
    InvalidMessage(SECRET),
    InvalidStatus(Response(502, SECRET, Headers())),
]
REFUSED = [
    *map(http_error, (302, 400, 401, 403, 404, 429)),
    httpx.DecodingError(SECRET),
    InvalidStatus(Response(401, SECRET, Headers())),
    PayloadTooBig(2, 1),
    json.JSONDecodeError(SECRET, SECRET, 0),
    KeyError(SECRET),
    TypeError(SECRET),
    RecursionError(SECRET),
]


def failures(kind: str) -> float:
    """Returns how many were counted."""
    labels = {"backend": SYNTHESIZER, "kind": kind}
    return REGISTRY.get_sample_value("voice_backend_failures_total", labels) or 0.0


@pytest.mark.parametrize("error", [*LOST, *REFUSED], ids=repr)
def test_a_failure_is_a_loss_or_a_refusal(error: Exception) -> None:
    """It is counted and logged as such, by its kind alone."""
    kind = "lost" if error in LOST else "refused"
    before = failures(kind)
    with capture_logs() as logs, pytest.raises(BackendFailed) as failed, backend_failures(SYNTHESIZER):
        raise error

    assert isinstance(failed.value, BackendLost) == (kind == "lost")
    assert failures(kind) == before + 1
    (log,) = logs
    assert (log["backend"], log["kind"], log["error"]) == (SYNTHESIZER, kind, type(error).__name__)
    assert SECRET not in str(log)


@pytest.mark.parametrize("error", [BackendLost(), asyncio.CancelledError(), MemoryError()])
def test_other_errors_pass(error: BaseException) -> None:
    with capture_logs() as logs, pytest.raises(type(error)), backend_failures(SYNTHESIZER):
        raise error

    assert logs == []
