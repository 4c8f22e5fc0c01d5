"""Checks a gRPC service by `grpc.health.v1`.

`Watch` reports a change or a lost connection at once. Each check still calls `Check` on the same
channel, which measures the latency and detects a server that hangs.
"""

import asyncio
import time
from collections.abc import Callable

import grpc
import structlog
from chassis.tasks import end_task
from grpc_health.v1 import health_pb2, health_pb2_grpc

from health_aggregator.adapters import findings
from health_aggregator.domain.check import CheckResult, timed_out

log = structlog.get_logger()

_WATCH_AGAIN_SECONDS = 0.5
_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", 64 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
    # A measurement of the network by pings, for each message.
    ("grpc.http2.bdp_probe", 0),
)
_SERVING = health_pb2.HealthCheckResponse.SERVING


class GrpcCheck:
    """Checks the health of one service of a gRPC server.

    Args:
        address: `host:port`.
        service: Full name of the service; empty for the server as a whole.
        wake: Called when the server reports a change, or the connection is lost.
        credentials: For TLS; None means plaintext.
    """

    def __init__(
        self,
        address: str,
        service: str,
        wake: Callable[[], None],
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self._address = address
        self._request = health_pb2.HealthCheckRequest(service=service)
        self._wake = wake
        self._channel = (
            grpc.aio.insecure_channel(address, options=_OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        )
        self._stub = health_pb2_grpc.HealthStub(self._channel)
        self._watching: asyncio.Task[None] | None = None
        self._status: int | None = None

    async def __call__(self, timeout_seconds: float) -> CheckResult:
        """Checks once."""
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())
        started = time.monotonic()
        try:
            response = await self._stub.Check(self._request, timeout=timeout_seconds)
        except grpc.aio.AioRpcError as error:
            return self._failed(error, started, timeout_seconds)
        if response.status != _SERVING:
            status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
            return findings.down(started, f"says {status.lower()}", self._address)
        return findings.up(started)

    async def close(self) -> None:
        """Ends the watch and the channel."""
        watching, self._watching = self._watching, None
        if watching is not None:
            await end_task(watching)
        await self._channel.close()

    async def _watch(self) -> None:
        reported: type[Exception] | None = None
        while True:
            try:
                async for response in self._stub.Watch(self._request, wait_for_ready=True):
                    if response.status != self._status:
                        self._status = response.status
                        self._wake()
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return
                self._status = None
                self._wake()
            except Exception as error:
                # The checks go on without it. Tried twice a second, the same failure is logged once.
                if type(error) is not reported:
                    log.exception("watch of a target failed; retrying", address=self._address)
                    reported = type(error)
            await asyncio.sleep(_WATCH_AGAIN_SECONDS)

    def _failed(self, error: grpc.aio.AioRpcError, started: float, timeout_seconds: float) -> CheckResult:
        self._status = None  # What the watch says next is news, even if it said so before.
        inner = f"{self._address}: {error.code().name} {error.details()}"
        match error.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return findings.down(started, timed_out(timeout_seconds), inner, silent=True)
            case grpc.StatusCode.UNAVAILABLE:
                words, silent = _explain(error.details() or "")
                return findings.down(started, words, inner, silent=silent)
            case grpc.StatusCode.NOT_FOUND:
                return findings.down(started, "does not know the service", inner)
            case grpc.StatusCode.UNIMPLEMENTED:
                return findings.down(started, "does not serve grpc.health.v1", inner)
            case grpc.StatusCode.RESOURCE_EXHAUSTED:
                return findings.down(started, "answers more than 64 KiB", inner)
            case code:
                return findings.down(started, f"answers with {code.name.lower()}", inner)


def _explain(details: str) -> tuple[str, bool]:
    text = details.lower()
    if "refused" in text:
        return findings.REFUSED, False
    if "certificate" in text or "ssl" in text or "handshake" in text:
        return "its certificate is not trusted", False
    if "dns" in text or "resolution" in text:
        return findings.NO_NAME, True
    if "reset" in text or "closed" in text or "eof" in text:
        return findings.CLOSED, False
    if "unreachable" in text or "timed out" in text or "timeout" in text:
        return findings.UNREACHABLE, True
    return "does not answer in gRPC", False
