"""One response whose body the service makes part by part: a stream of `google.api.HttpBody`."""

import time
from collections.abc import AsyncGenerator

import structlog
from chassis.errors import DeadlineExceeded, ServiceError, Unavailable
from google.api.httpbody_pb2 import HttpBody

from gateway.http.media_type import is_media_type
from gateway.http.request import Request
from gateway.http.response import Header, Send
from gateway.streams.delivery import send_parts
from gateway.streams.ends import FINISHED, End, is_for_the_token
from gateway.streams.service_messages import ServiceMessages

log = structlog.get_logger()

DEFAULT_TYPE = b"application/octet-stream"


class _CutError(Exception):
    """The body ends early, and its client must not take it for whole."""


class ContentStream:
    """The body of one response; the owner closes it."""

    def __init__(self, request: Request, messages: ServiceMessages) -> None:
        """Takes the client's request and the service's messages."""
        self._request = request
        self._messages = messages
        self._stream = messages.stream

    async def begin(self) -> bytes:
        """Waits for the first message and returns the content type, which only that one says.

        Raises:
            ServiceError: the service refuses or takes too long, or the stream is to end before it has begun.
            ClientGone: the client has left.
        """
        timer = self._stream.timer
        while (first := await self._messages.first(self._request, timer.seconds_to_end)) is None:
            if self._stream.ended.done():
                # As at a stop: `first` raises only what is an error.
                self._messages.end = self._stream.ended.result()
                raise self._messages.end.error or Unavailable
            if (over := timer.end()) is not None:
                self._messages.end = over
                raise over.error or DeadlineExceeded
        content_type = HttpBody.FromString(first).content_type.encode() or DEFAULT_TYPE
        if not is_media_type(content_type):
            log.error("content type is malformed", method=self._stream.holder.method)
            raise ServiceError
        return content_type

    async def deliver(self, status: int, headers: list[Header], send: Send) -> None:
        """Sends the head and the body; cuts the connection where the body cannot be made whole."""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        try:
            cut = await send_parts(self._parts(), self._request, send, self._stream)
        except _CutError:
            if self._request.abort is not None:
                self._request.abort(reset=is_for_the_token(self._messages.end))
            return
        if cut is not None:
            self._messages.end = cut

    async def close(self) -> None:
        """Cancels the call to the service and gives the slot back."""
        await self._messages.close()

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        timer = self._stream.timer
        while (message := await self._messages.next(timer.seconds_to_end)) is not FINISHED:
            if isinstance(message, End):
                self._messages.end = message
                raise _CutError
            if message is not None and (data := HttpBody.FromString(message).data):
                yield data
                timer.active_at = time.monotonic()
        self._messages.end = FINISHED
