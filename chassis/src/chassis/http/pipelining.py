"""A bound on requests that a client sends ahead of the responses to earlier ones.

uvicorn parses all that it reads, keeps each request with its scope until its turn comes, and reads on after
each response: a client that sent 100,000 requests and read nothing took 300 MB. Here the rest stays as bytes
until the parsed ones are answered, and nothing is read before.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from chassis.http.repeated_heads import RepeatedHeadProtocol

HEADS_MAX = 64
"""How many heads of one read are parsed at once. Browsers send none ahead."""

_SLICE_BYTES = 2048
_END = b"\r\n\r\n"


class PipelineProtocol(RepeatedHeadProtocol):
    """uvicorn's protocol for HTTP/1.1, with the bound."""

    _held = b""
    """What was read and not parsed yet."""

    _parsing: asyncio.Handle | None = None

    def data_received(self, data: bytes) -> None:
        """Parses data, at most as many requests as may wait; holds the rest."""
        if self._held or (len(data) > _SLICE_BYTES and data.count(_END) > HEADS_MAX):
            self._held += data
            self._parse_held()
        else:
            super().data_received(data)

    def on_response_complete(self) -> None:
        """Goes on when every parsed request has been answered, and reads on when nothing waits."""
        super().on_response_complete()
        if (self.pipeline or self._held) and not self.transport.is_closing():
            self.flow.pause_reading()
        if self._held and not self.pipeline and self._parsing is None:
            self._parsing = self.loop.call_soon(self._parse_held)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drops what is held."""
        self._held = b""
        super().connection_lost(exc)

    def _parse_held(self) -> None:
        self._parsing = None
        transport: Any = self.transport
        while self._held and not self.pipeline:
            if transport.is_closing() or transport.get_protocol() is not self:
                self._held = b""  # Refused, or a WebSocket by now.
                return
            data, self._held = self._held[:_SLICE_BYTES], self._held[_SLICE_BYTES:]
            super().data_received(data)
        if self._held:
            self.flow.pause_reading()
            self._cancel_timeout()  # The rest of a head that has begun is here.
        elif not self.pipeline and self._is_body_taken():
            self.flow.resume_reading()

    def _is_body_taken(self) -> bool:
        """Whether the last body does not wait for its app; when it does, taking it reads on."""
        last: Any = self.cycle
        return last is None or len(last.body) <= HIGH_WATER_LIMIT
