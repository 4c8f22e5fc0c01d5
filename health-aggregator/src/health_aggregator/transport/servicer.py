"""`vestibule.health.v1.HealthService`: message in, use case, message out."""

from collections.abc import AsyncIterator
from typing import Any

from chassis.identity.caller import current_caller
from google.api.httpbody_pb2 import HttpBody
from prometheus_client import Gauge
from vestibule.health.v1 import health_service_pb2 as pb
from vestibule.health.v1 import health_service_pb2_grpc as pb_grpc

from health_aggregator.domain.board import Board
from health_aggregator.domain.errors import TooManyListeners
from health_aggregator.domain.state import Change
from health_aggregator.transport.messages import change_message, health_message
from health_aggregator.transport.pages import Pages
from health_aggregator.usecases.change_feed import ChangeFeed
from health_aggregator.usecases.checks import CheckAll
from health_aggregator.usecases.health import GetHealth, Health

LISTENERS = 4000
"""Concurrent streams. A listener is only a position in the ring buffer of changes, so it costs no memory."""

_OPEN = Gauge("health_listeners", "Open streams of health.")


class HealthServicer(pb_grpc.HealthServiceServicer):
    """Runs one use case per call."""

    def __init__(self, board: Board, check_all: CheckAll, feed: ChangeFeed, pages: Pages) -> None:
        self._get_health = GetHealth(board, check_all)
        self._feed = feed
        self._pages = pages
        self._listeners = 0

    async def GetHealth(self, request: pb.GetHealthRequest, context: Any) -> pb.GetHealthResponse:
        """Returns the health of the system; details are for admins."""
        return health_message(await self._get_health(), with_details=current_caller().is_admin)

    async def StreamHealth(
        self,
        request: pb.StreamHealthRequest,
        context: Any,
    ) -> AsyncIterator[pb.StreamHealthResponse]:
        """Sends the changes that the client has missed, the whole state, and then each change."""
        if self._listeners >= LISTENERS:
            raise TooManyListeners
        self._listeners += 1
        _OPEN.set(self._listeners)
        try:
            position = self._feed.position(request.last_event_id)
            missed = None if position is None else self._feed.since(position)
            for change in missed or ():
                yield self._changed(change)
            health = await self._get_health()
            while True:
                yield self._whole(health)
                async for message in self._changes(health.sequence):
                    yield message
                # The client was too slow for the buffer of changes: send the whole state again.
                health = self._get_health.now()
        finally:
            self._listeners -= 1
            _OPEN.set(self._listeners)

    async def GetStatusPage(self, request: pb.GetStatusPageRequest, context: Any) -> HttpBody:
        """Returns the status page."""
        return self._pages.status(await self._get_health(), request.language, request.accept_language)

    async def GetMetricsPage(self, request: pb.GetMetricsPageRequest, context: Any) -> HttpBody:
        """Returns the metrics page."""
        return self._pages.metrics(request.language, request.accept_language)

    async def GetStatusStyle(self, request: pb.GetStatusStyleRequest, context: Any) -> HttpBody:
        """Returns the style sheet."""
        return self._pages.style()

    async def GetStatusScript(self, request: pb.GetStatusScriptRequest, context: Any) -> HttpBody:
        """Returns the script."""
        return self._pages.script()

    async def GetBadge(self, request: pb.GetBadgeRequest, context: Any) -> HttpBody:
        """Returns a badge."""
        return self._pages.badge(await self._get_health(), request.name)

    async def _changes(self, position: int) -> AsyncIterator[pb.StreamHealthResponse]:
        while True:
            await self._feed.wait(position)
            changes = self._feed.since(position)
            if changes is None:
                return
            for change in changes:
                yield self._changed(change)
                position = change.sequence

    def _whole(self, health: Health) -> pb.StreamHealthResponse:
        event_id = self._feed.event_id(health.sequence)
        return pb.StreamHealthResponse(event_id=event_id, state=health_message(health))

    def _changed(self, change: Change) -> pb.StreamHealthResponse:
        event_id = self._feed.event_id(change.sequence)
        return pb.StreamHealthResponse(event_id=event_id, change=change_message(change))
