"""The messages of one call to a service, asked for one at a time, within the bounds of its stream."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import structlog
from chassis.errors import ServiceError

from gateway.http.request import ClientGone, Request
from gateway.streams.ends import CLIENT_GONE, FINISHED, End, failed
from gateway.streams.open_stream import OpenStream

log = structlog.get_logger()


class ServiceMessages:
    """The messages of a service, serialized.

    The owner closes it: the call to the service is cancelled then, and the slot given back.

    Attributes:
        stream: In the registry.
        end: Why the stream ends, as far as that is known.
    """

    def __init__(self, messages: AsyncGenerator[bytes, None], stream: OpenStream) -> None:
        """Takes what the call brings; nothing is asked for before `first` or `next`."""
        self.stream = stream
        self.end = CLIENT_GONE
        self._messages = messages
        self._pending: asyncio.Task[bytes] | None = None

    async def first(self, request: Request, seconds_max: float) -> bytes | None:
        """Waits for the first message, not for long; `next` returns it again.

        Args:
            request: The client's, which may leave meanwhile.
            seconds_max: How long to wait.

        Returns:
            The message; empty when there will be none, None when neither has come.

        Raises:
            ServiceError: the service refuses, or the stream is to end before it has begun.
            ClientGone: the client has left.
        """
        pending, ended = self._ask(), self.stream.ended
        gone = asyncio.ensure_future(request.gone())
        awaited: set[asyncio.Future[Any]] = {pending, gone, ended}
        try:
            await asyncio.wait(awaited, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ClientGone
        finally:
            gone.cancel()
        if ended.done() and (refusal := ended.result().error) is not None:
            raise refusal
        if not pending.done() or pending.cancelled():
            return None
        error = pending.exception()
        if isinstance(error, ServiceError):
            self.end = failed(error)
        if isinstance(error, StopAsyncIteration):
            return b""
        if error is not None:
            raise error
        return self._sized(pending.result())

    async def next(self, seconds_max: float) -> bytes | End | None:
        """Waits for the next message, not for long.

        Returns:
            The message, or the end that came in its place; None when neither has come.
        """
        timer, ended, pending = self.stream.timer, self.stream.ended, self._ask()
        if pending.done():
            timer.active_at = time.monotonic()
        if (over := timer.end()) is not None:
            return over
        awaited: set[asyncio.Future[Any]] = {pending, ended}
        await asyncio.wait(awaited, timeout=seconds_max, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            return ended.result()
        return self._take(pending) if pending.done() else timer.end()

    def failed(self, error: Exception) -> End:
        """Logs an error that is a bug, and returns the end that it is."""
        log.error("stream failed", method=self.stream.holder.method, exc_info=error)
        return failed(ServiceError())

    async def close(self) -> None:
        """Cancels the call to the service and gives the slot back."""
        self.stream.leave(self.end)
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})
            if not pending.cancelled():
                pending.exception()
        await self._messages.aclose()

    def _ask(self) -> "asyncio.Task[bytes]":
        """Asks for a message, unless the last one that was asked for has not been taken."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(anext(self._messages))
        return self._pending

    def _take(self, pending: "asyncio.Task[bytes]") -> bytes | End:
        self._pending = None
        try:
            raw = self._sized(pending.result())
        except StopAsyncIteration:
            return FINISHED
        except ServiceError as error:
            log.info("stream ended with an error", method=self.stream.holder.method, reason=error.reason)
            return failed(error)
        except Exception as error:  # noqa: BLE001 a bug ends the stream by its code
            return self.failed(error)
        self.stream.sent(len(raw))
        return raw

    def _sized(self, raw: bytes) -> bytes:
        limit = self.stream.bounds.message_bytes
        if len(raw) > limit:
            log.error("message of a stream too large; stream ended", bytes=len(raw), limit=limit)
            raise ServiceError
        return raw
