"""One stream from a service on its way to a client: from serialized messages to events."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog
from chassis.errors import ServiceError

from gateway.http.request import ClientGone, Request
from gateway.http.response import Header, Send
from gateway.http.streaming import send_parts
from gateway.streams.ends import CLIENT_GONE, FINISHED, LIFETIME, End, failed
from gateway.streams.framing import Framing
from gateway.streams.messages import StreamEvent
from gateway.streams.open_stream import OpenStream

log = structlog.get_logger()

FIRST_MESSAGE_SECONDS = 1.0
"""How long the head of the answer waits for a message: a failure before it is an answer of its own."""

HEARTBEAT_SECONDS = 15.0


class EventStream:
    """The events of one stream.

    The owner closes it: the call to the service is cancelled then, and the slot given back.
    """

    def __init__(
        self,
        request: Request,
        messages: AsyncGenerator[bytes, None],
        event: Callable[[bytes], StreamEvent],
        framing: Framing,
        stream: OpenStream,
    ) -> None:
        """Takes the service's messages and what bounds them.

        Args:
            request: The client's.
            messages: Serialized; nothing is asked for before `begin`.
            event: Makes an event of a message.
            framing: How events are written.
            stream: In the registry.
        """
        self._request = request
        self._messages = messages
        self._event = event
        self._framing = framing
        self._stream = stream
        self._bounds = stream.bounds
        self._timer = stream.timer
        self._end = CLIENT_GONE
        self._pending: asyncio.Task[bytes] | None = None

    async def begin(self) -> None:
        """Asks for the first message and waits a moment for it, or until the client is gone.

        Raises:
            ServiceError: the service refuses, or the stream is to end before it has begun.
            ClientGone: the client has left.
        """
        pending, ended = self._next(), self._stream.ended
        gone = asyncio.ensure_future(self._request.gone())
        awaited: set[asyncio.Future[Any]] = {pending, gone, ended}
        try:
            await asyncio.wait(awaited, timeout=FIRST_MESSAGE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientGone
        finally:
            gone.cancel()
        if ended.done() and (refusal := ended.result().error) is not None:
            raise refusal
        if pending.done() and not pending.cancelled():
            error = pending.exception()
            if isinstance(error, ServiceError):
                self._end = failed(error)
            if error is None:
                self._check_size(pending.result())
            elif not isinstance(error, StopAsyncIteration):
                raise error

    async def deliver(self, status: int, headers: list[Header], send: Send) -> None:
        """Sends the head and the events, until the stream ends or the client has left."""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        seconds_max, ended = self._timer.seconds_left, self._stream.ended
        complete = await send_parts(self.parts(), self._request, send, ended=ended, seconds_max=seconds_max)
        if not complete:
            over = LIFETIME if not self._timer.seconds_left else CLIENT_GONE
            self._end = ended.result() if ended.done() else over

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yields the response's parts: events, a heartbeat when there is nothing to send, and the end."""
        yield self._framing.opening(self._timer.seconds_left)
        pending = self._pending or self._next()
        ended, timer = self._stream.ended, self._timer
        heartbeat_at = _now() + HEARTBEAT_SECONDS
        while True:
            timeout = min(timer.seconds_to_next, max(0.0, heartbeat_at - _now()))
            awaited: set[asyncio.Future[Any]] = {pending, ended}
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            end = ended.result() if ended.done() else None
            if end is None and not pending.done():
                end = timer.end()
            if end is None and pending.done():
                end, part = self._of(pending)
                if end is None:
                    yield part
                    pending, timer.active_at = self._next(), _now()
                    end = timer.end()
            if end is not None:
                self._end = end
                yield self._framing.last(end)
                return
            left = timer.warning()
            if left is not None:
                yield self._framing.ending(left)
            elif _now() >= heartbeat_at:
                yield self._framing.heartbeat
            else:
                continue
            heartbeat_at = _now() + HEARTBEAT_SECONDS

    async def close(self) -> None:
        """Cancels the call to the service and gives the slot back."""
        self._stream.leave(self._end)
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})
            if not pending.cancelled():
                pending.exception()
        await self._messages.aclose()

    def _next(self) -> "asyncio.Task[bytes]":
        self._pending = asyncio.ensure_future(anext(self._messages))
        return self._pending

    def _of(self, pending: "asyncio.Task[bytes]") -> tuple[End | None, bytes]:
        """Returns what ended the stream, or the event that a message makes."""
        try:
            return None, self._part(pending.result())
        except StopAsyncIteration:
            return FINISHED, b""
        except ServiceError as error:
            log.info("stream failed", method=self._stream.holder.method, reason=error.reason)
            return failed(error), b""
        except Exception:
            log.exception("stream failed", method=self._stream.holder.method)
            return failed(ServiceError()), b""

    def _check_size(self, raw: bytes) -> None:
        if len(raw) > self._bounds.message_bytes:
            log.error("message of a stream too large", bytes=len(raw), limit=self._bounds.message_bytes)
            raise ServiceError

    def _part(self, raw: bytes) -> bytes:
        self._check_size(raw)
        self._stream.sent(len(raw))
        return self._framing.event(self._event(raw))


def _now() -> float:
    return asyncio.get_running_loop().time()
