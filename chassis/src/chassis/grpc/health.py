"""`grpc.health.v1`: health checks by Kubernetes and by gRPC clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]
    """Answers from memory. `close` ends all watches, so that they do not delay a stop."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {"": _NOT_SERVING}
        self._changed = asyncio.Event()
        self._closed = False

    def expect(self, service: str) -> None:
        """Adds a service; it is not serving yet."""
        self._statuses[service] = _NOT_SERVING

    def set(self, *, serving: bool, service: str | None = None) -> None:
        """Sets the status of one service, or of all if None; does nothing once closed."""
        if self._closed:
            return
        for name in self._statuses if service is None else (service,):
            self._statuses[name] = _SERVING if serving else _NOT_SERVING
        self._wake()

    def close(self) -> None:
        """Reports NOT_SERVING permanently and ends every watch."""
        self.set(serving=False)
        self._closed = True
        self._wake()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 the RPC's name
        """Returns the status of one service, or of the whole server for the empty name."""
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: ARG002, N802 the RPC
        """Sends the status of one service now and whenever it changes."""
        sent = None
        while True:
            changed = self._changed
            status = self._statuses.get(request.service, _UNKNOWN)
            if status != sent:
                yield health_pb2.HealthCheckResponse(status=status)
                sent = status
            if self._closed:
                return
            await changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
