"""The streams that are open at this gateway: counted for each client, and ended when the gateway stops."""

import asyncio

from chassis.errors import Unavailable
from prometheus_client import Counter, Gauge

from gateway.http.problems import RateLimited
from gateway.streams.bounds import Bounds

RETRY_AFTER_SECONDS = 5.0

_OPEN = Gauge("gateway_streams_open", "Streams that are open.", ["method"])
_REFUSED = Counter("gateway_streams_refused_total", "Streams refused as too many of one client.", ["method"])


class TooManyStreams(RateLimited):
    """This client has as many streams open as it may."""

    message = "Too many streams are open at once; close one, or try again later."


class OpenStream:
    """One stream's place in the registry.

    Attributes:
        stopped: Done when the stream is to end because the gateway stops.
    """

    def __init__(self, registry: "StreamRegistry", method: str, holder: str) -> None:
        self.stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._registry = registry
        self._key = (method, holder)

    def stop(self) -> None:
        """Has the stream end."""
        if not self.stopped.done():
            self.stopped.set_result(None)

    def leave(self) -> None:
        """Gives the place back; once is enough, and more does no harm."""
        self.stopped.cancel()
        self._registry.forget(self, self._key)


class StreamRegistry:
    """Says which streams may open, and knows those that are."""

    def __init__(self) -> None:
        self._open: set[OpenStream] = set()
        self._held: dict[tuple[str, str], int] = {}
        self._draining = False

    def open(self, method: str, holder: str, bounds: Bounds) -> OpenStream:
        """Takes a place for a stream; whoever takes it gives it back by `leave`.

        Args:
            method: The method's name.
            holder: Who is counted: a user, an API key or a client.
            bounds: The method's.

        Raises:
            TooManyStreams: the holder has as many open as it may.
            Unavailable: the gateway is stopping.
        """
        if self._draining:
            raise Unavailable
        held = self._held.get((method, holder), 0)
        if held >= bounds.per_holder:
            _REFUSED.labels(method).inc()
            raise TooManyStreams(retry_after_seconds=RETRY_AFTER_SECONDS)
        self._held[method, holder] = held + 1
        place = OpenStream(self, method, holder)
        self._open.add(place)
        _OPEN.labels(method).inc()
        return place

    def forget(self, place: OpenStream, key: tuple[str, str]) -> None:
        """Frees a place; called by `OpenStream.leave`."""
        if place not in self._open:
            return
        self._open.discard(place)
        _OPEN.labels(key[0]).dec()
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    def drain(self) -> None:
        """Ends every stream and opens no more: their clients come back to a gateway that stays."""
        self._draining = True
        for place in tuple(self._open):
            place.stop()
