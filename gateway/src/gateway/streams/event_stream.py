"""One stream from a service on its way to a client: from serialized messages to events."""

import time
from collections.abc import AsyncGenerator, Callable

from gateway.http.request import Request
from gateway.http.response import Header, Send
from gateway.streams.delivery import send_parts
from gateway.streams.ends import End
from gateway.streams.framing import Framing
from gateway.streams.messages import StreamEvent
from gateway.streams.service_messages import ServiceMessages

FIRST_MESSAGE_SECONDS = 1.0
"""How long the head of the response waits for a message: a failure before it is an ordinary response."""

HEARTBEAT_SECONDS = 15.0


class EventStream:
    """The events of one stream; the owner closes it."""

    def __init__(
        self,
        request: Request,
        messages: ServiceMessages,
        event: Callable[[bytes], StreamEvent],
        framing: Framing,
    ) -> None:
        """Takes the service's messages and how they are written.

        Args:
            request: The client's.
            messages: The service's.
            event: Makes an event of a message.
            framing: How events are written.
        """
        self._request = request
        self._messages = messages
        self._event = event
        self._framing = framing
        self._timer = messages.stream.timer

    async def begin(self) -> None:
        """Asks for the first message and waits a moment for it, or until the client is gone.

        Raises:
            ServiceError: the service refuses, or the stream is to end before it has begun.
            ClientGone: the client has left.
        """
        await self._messages.first(self._request, FIRST_MESSAGE_SECONDS)

    async def deliver(self, status: int, headers: list[Header], send: Send) -> None:
        """Sends the head and the events, until the stream ends or the client has left."""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        cut = await send_parts(self.parts(), self._request, send, self._messages.stream)
        if cut is not None:
            self._messages.end = cut

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yields the response's parts: events, a heartbeat when there is nothing to send, and the end."""
        yield self._framing.opening(self._timer.seconds_left)
        timer = self._timer
        heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        while True:
            seconds = min(timer.seconds_to_next, max(0.0, heartbeat_at - time.monotonic()))
            part = self._part(await self._messages.next(seconds))
            if isinstance(part, End):
                self._messages.end = part
                yield self._framing.last(part)
                return
            if part is not None:
                yield part
                timer.active_at = time.monotonic()
            left = timer.warning()
            if left is not None:
                yield self._framing.ending(left)
            elif part is None:
                if time.monotonic() < heartbeat_at:
                    continue
                yield self._framing.heartbeat
            heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS

    async def close(self) -> None:
        """Cancels the call to the service and gives the slot back."""
        await self._messages.close()

    def _part(self, message: bytes | End | None) -> bytes | End | None:
        """Returns the event that a message makes; what is no message stays what it is."""
        if not isinstance(message, bytes):
            return message
        try:
            return self._framing.event(self._event(message))
        except Exception as error:  # noqa: BLE001 a bug ends the stream by its code
            return self._messages.failed(error)
