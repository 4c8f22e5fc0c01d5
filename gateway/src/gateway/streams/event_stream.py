"""One stream on its way to a client: from the service's messages to the events of an answer."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import structlog
from chassis.errors import ServiceError, TokenExpired

from gateway.http.problems import error_object
from gateway.http.request import ClientGone
from gateway.streams import events
from gateway.streams.bounds import Bounds
from gateway.streams.registry import OpenStream

log = structlog.get_logger()

FIRST_MESSAGE_SECONDS = 1.0
"""How long the head of the answer waits for a message: a failure before it is an answer of its own."""

HEARTBEAT_SECONDS = 15.0
WARNING_SECONDS = 30.0


class EventStream:
    """The events of one stream.

    Whoever makes one closes it: the call to the service is cancelled then, and the place given back.
    """

    def __init__(
        self,
        messages: AsyncGenerator[bytes, None],
        event: Callable[[bytes], bytes],
        place: OpenStream,
        bounds: Bounds,
        token_seconds: float = math.inf,
    ) -> None:
        """Takes the service's messages and what bounds them.

        Args:
            messages: Serialized; nothing is asked for before `begin`.
            event: Makes an event of a message.
            place: In the registry.
            bounds: The method's.
            token_seconds: How long the caller's token is still good.
        """
        self._messages = messages
        self._event = event
        self._place = place
        self._bounds = bounds
        self._expires = token_seconds < bounds.lifetime_seconds
        self.lifetime_seconds = min(token_seconds, bounds.lifetime_seconds)
        self._ends_at = time.monotonic() + self.lifetime_seconds
        self._pending: asyncio.Task[bytes] | None = None

    @property
    def stopped(self) -> "asyncio.Future[None]":
        """Done when the stream is to end because the gateway stops."""
        return self._place.stopped

    async def begin(self, gone: "asyncio.Future[Any]") -> None:
        """Asks for the first message and waits a moment for it, or until the client is gone.

        Args:
            gone: Done when the client has left.

        Raises:
            ServiceError: the service refuses.
            ClientGone: the client has left.
        """
        pending = self._next()
        awaited: set[asyncio.Future[Any]] = {pending, gone, self.stopped}
        await asyncio.wait(awaited, timeout=FIRST_MESSAGE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ClientGone
        if pending.done() and not pending.cancelled():
            error = pending.exception()
            if error is not None and not isinstance(error, StopAsyncIteration):
                raise error

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yields the answer's parts: events, a comment when there is nothing to tell, and the end."""
        yield events.opening(self.lifetime_seconds)
        pending, warned = self._pending or self._next(), False
        came_at = sent_at = time.monotonic()
        while True:
            warn_at = math.inf if warned else self._ends_at - WARNING_SECONDS
            quiet_at = came_at + self._bounds.idle_seconds
            due_at = min(sent_at + HEARTBEAT_SECONDS, warn_at, quiet_at, self._ends_at)
            timeout = max(0.0, due_at - time.monotonic())
            awaited: set[asyncio.Future[Any]] = {pending, self.stopped}
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            now = sent_at = time.monotonic()
            if self.stopped.done():
                yield events.end("draining", come_back=True)
                return
            if now >= self._ends_at:
                yield self._over()
                return
            if pending.done():
                last, part = self._told(pending)
                yield part
                if last:
                    return
                pending, came_at = self._next(), time.monotonic()
            elif now >= quiet_at:
                yield events.end("idle")
                return
            elif now >= warn_at:
                warned = True
                yield events.warning(self._ends_at - now)
            else:
                yield events.ALIVE

    async def close(self) -> None:
        """Cancels the call to the service and gives the place back."""
        self._place.leave()
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

    def _told(self, pending: "asyncio.Task[bytes]") -> tuple[bool, bytes]:
        """Returns whether a message was the last, and the event that tells of it."""
        try:
            return False, self._shown(pending.result())
        except StopAsyncIteration:
            return True, events.end("finished")
        except ServiceError as error:
            log.info("stream failed", reason=error.reason)
            return True, events.failure(error_object(error))
        except Exception:
            log.exception("stream failed")
            return True, events.failure(error_object(ServiceError()))

    def _shown(self, raw: bytes) -> bytes:
        if len(raw) > self._bounds.message_bytes:
            log.error("message of a stream too large", bytes=len(raw), limit=self._bounds.message_bytes)
            raise ServiceError
        return self._event(raw)

    def _over(self) -> bytes:
        return events.failure(error_object(TokenExpired())) if self._expires else events.end("lifetime")
