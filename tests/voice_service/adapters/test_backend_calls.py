"""What the failures of a speech backend mean."""

import asyncio
import json

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from voice_service.adapters.backend_calls import SYNTHESIZER, backend_call
from voice_service.domain.backends import BackendFailed, BackendLost, BackendUnreachable
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


def handshake_error(status: int) -> InvalidStatus:
    """Returns what `websockets` raises for a response to a handshake."""
    return InvalidStatus(Response(status, SECRET, Headers()))


UNREACHABLE = [
    httpx.ConnectError(SECRET),
    httpx.ConnectTimeout(SECRET),
    *map(http_error, (502, 503, 504)),
    handshake_error(502),
]
LOST = [
    ConnectionResetError(SECRET),
    TimeoutError(SECRET),
    asyncio.IncompleteReadError(b"x", 2),
    httpx.ReadTimeout(SECRET),
    httpx.RemoteProtocolError(SECRET),
    http_error(500),
    ConnectionClosedError(None, None),
    InvalidMessage(SECRET),
]
REFUSED = [
    *map(http_error, (302, 400, 401, 403, 404, 429)),
    httpx.DecodingError(SECRET),
    handshake_error(401),
    PayloadTooBig(2, 1),
    json.JSONDecodeError(SECRET, SECRET, 0),
    KeyError(SECRET),
    TypeError(SECRET),
    RecursionError(SECRET),
]
MEANINGS = [
    *((error, BackendUnreachable, False) for error in UNREACHABLE),
    *((error, BackendLost, False) for error in LOST),
    *((error, BackendFailed, False) for error in REFUSED),
    (ConnectionRefusedError(SECRET), BackendUnreachable, True),
    (InvalidMessage(SECRET), BackendUnreachable, True),
    (handshake_error(500), BackendLost, True),
    (handshake_error(401), BackendFailed, True),
]


def failures(kind: str) -> float:
    """Returns how many were counted."""
    labels = {"backend": SYNTHESIZER, "kind": kind}
    return REGISTRY.get_sample_value("voice_backend_failures_total", labels) or 0.0


@pytest.mark.parametrize(("error", "failure", "connecting"), MEANINGS, ids=repr)
async def test_what_a_failure_means(error: Exception, failure: type[BackendFailed], connecting: bool) -> None:
    """It is counted and logged by its kind alone."""
    kind = "lost" if issubclass(failure, BackendLost) else "refused"
    before = failures(kind)
    with capture_logs() as logs, pytest.raises(BackendFailed) as failed:
        async with backend_call(SYNTHESIZER, connecting=connecting):
            raise error

    assert type(failed.value) is failure
    assert failures(kind) == before + 1
    (log,) = logs
    assert (log["backend"], log["kind"], log["error"]) == (SYNTHESIZER, kind, type(error).__name__)
    assert SECRET not in str(log)


@pytest.mark.parametrize("error", [BackendLost(), asyncio.CancelledError(), MemoryError()])
async def test_other_errors_pass(error: BaseException) -> None:
    with capture_logs() as logs, pytest.raises(type(error)):
        async with backend_call(SYNTHESIZER):
            raise error

    assert logs == []


async def test_a_call_that_takes_too_long_is_a_loss() -> None:
    with pytest.raises(BackendLost):
        async with backend_call(SYNTHESIZER, 0.01):
            await asyncio.sleep(10)
