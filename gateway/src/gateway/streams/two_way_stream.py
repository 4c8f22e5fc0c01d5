"""One stream both ways: a WebSocket on one side, a gRPC call on the other, one message in flight each way."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog
from chassis.dataclass import dataclass
from chassis.errors import ServiceError, Unavailable
from chassis.grpc.stream_calls import StreamCall
from chassis.http.declined_upgrades import UPGRADE_EXTENSION, Upgrade

from gateway.api.request_reader import parse_body
from gateway.http.problems import BadRequest, InvalidJson, PayloadTooLarge
from gateway.http.request import ClientGone, Request
from gateway.http.response import Header, Send
from gateway.streams.ends import CLIENT_GONE, FINISHED, End, close_of, failed
from gateway.streams.inbox import PeerGone
from gateway.streams.open_stream import OpenStream
from gateway.streams.renewals import Renew, Renewals
from gateway.streams.websocket import WebSocket

log = structlog.get_logger()

ADMISSION_SECONDS = 0.05
"""How long the handshake waits for a service that is reached to say that it takes the call, or refuses it."""

LEAVE_SECONDS = 0.5
"""How long a service may take for what a client sent before it closed."""

READ_AHEAD_BYTES = 1024 * 1024
"""How much is read that the service does not take, while the token is nearly over and another one is due:
what a microphone sends in 30 s."""

AUTH_KEY = "auth"
END_KEY = "end"
CONTROLS = frozenset({AUTH_KEY, END_KEY})
"""Keys of frames that are for the gateway: another token, and the end of the client's messages."""

ReadFrame = Callable[[dict[str, Any] | None, bytes | None], Awaitable[bytes]]
"""Takes the JSON object of a text frame, or the content of a binary one; returns the serialized request."""


@dataclass(frozen=True, slots=True)
class FrameCodec:
    """Makes requests of frames, and frames of responses.

    Attributes:
        read: Makes a serialized request of a frame.
        repeat: Makes a serialized request of a binary frame's content at once; None where it has to be read.
        frame: Makes a frame of a serialized response, and says whether it is a binary one.
    """

    read: ReadFrame
    repeat: Callable[[bytes], bytes | None]
    frame: Callable[[bytes], tuple[bytes, bool]]


class TwoWayStream:
    """Relays messages between a WebSocket and a call, until either side ends or the stream is to end."""

    def __init__(
        self,
        request: Request,
        call: StreamCall,
        codec: FrameCodec,
        stream: OpenStream,
        renew: Renew | None,
    ) -> None:
        """Takes both sides.

        Args:
            request: The handshake.
            call: To the service.
            codec: Makes requests of frames, and frames of responses.
            stream: In the registry.
            renew: Takes another token; None where the method is public.
        """
        self._request = request
        self._call = call
        self._codec = codec
        self._stream = stream
        self._bounds = stream.bounds
        self._timer = stream.timer
        self._renewals = Renewals(renew)
        self._end = CLIENT_GONE  # why the stream ends, as far as that is known
        self._first: asyncio.Task[Any] | None = None
        self._client_has_finished = False
        self._warning: asyncio.Task[None] | None = None

    async def begin(self, seconds_max: float) -> None:
        """Waits until the service is reached, and a moment for it to refuse.

        Args:
            seconds_max: How long the service may take to be reached.

        Raises:
            ServiceError: the service cannot be reached or refuses, or the stream is to end already.
            ClientGone: the client has left.
        """
        try:
            async with asyncio.timeout(seconds_max):
                await self._call.connected()
        except TimeoutError as error:
            raise Unavailable from error
        except ServiceError as error:
            self._end = failed(error)
            raise
        first = self._first = asyncio.ensure_future(self._call.receive())
        admitted = asyncio.ensure_future(self._call.admitted())
        gone = asyncio.ensure_future(self._request.gone())
        try:
            awaited: set[asyncio.Future[Any]] = {first, admitted, gone, self._stream.ended}
            await asyncio.wait(awaited, timeout=ADMISSION_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if admitted.done() and not first.done():
                # A refusal brings metadata too, and itself a moment later.
                await asyncio.wait({first}, timeout=ADMISSION_SECONDS / 10)
            if gone.done():
                raise ClientGone
        finally:
            admitted.cancel()
            gone.cancel()
        if self._stream.ended.done():
            raise self._stream.ended.result().error or Unavailable
        refusal = first.exception() if first.done() and not first.cancelled() else None
        if isinstance(refusal, ServiceError):
            self._end = failed(refusal)
            raise refusal

    async def deliver(self, status: int, headers: list[Header], send: Send) -> None:
        """Accepts the WebSocket and relays until the end, whose reason is the close code."""
        del status, send
        socket = WebSocket(self._bounds.received_bytes, self._take_at_once)
        upgrade: Upgrade = self._request.extensions[UPGRADE_EXTENSION]
        if not upgrade(headers, socket):
            if self._request.abort is not None:
                self._request.abort()
            raise ClientGone
        try:
            self._end = await self._relay(socket)
        finally:
            self._call.cancel()
            # A client that does not read takes its time for the close; its slot is free before.
            self._stream.leave(self._end)
            await socket.close(*close_of(self._end))

    async def close(self) -> None:
        """Cancels the call and gives the slot back."""
        self._stream.leave(self._end)
        self._call.cancel()
        if self._first is not None:
            self._first.cancel()
            await asyncio.gather(self._first, return_exceptions=True)

    async def _relay(self, socket: WebSocket) -> End:
        up, down = asyncio.ensure_future(self._up(socket)), asyncio.ensure_future(self._down(socket))
        renewal = asyncio.ensure_future(self._renewals.next())
        ended, timer = self._stream.ended, self._timer
        try:
            while True:
                socket.read_ahead(READ_AHEAD_BYTES if timer.expires_soon else 0)
                awaited: set[asyncio.Future[Any]] = {down, ended, socket.left, renewal}
                if not up.done():
                    awaited.add(up)
                await asyncio.wait(
                    awaited, timeout=timer.seconds_to_next, return_when=asyncio.FIRST_COMPLETED
                )
                timer.active_at = socket.received_at
                end = ended.result() if ended.done() else self._end_by(down, up, renewal) or timer.end()
                if end is None and socket.left.done():
                    end = await self._left(socket, up, down)
                if end is not None:
                    return end
                if renewal.done():
                    renewal = asyncio.ensure_future(self._renewals.next())
                if (left := timer.warning()) is not None:
                    self._warning = asyncio.ensure_future(_warn(socket, left))
        finally:
            tasks = [task for task in (up, down, renewal, self._warning) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _left(self, socket: WebSocket, up: "asyncio.Task[None]", down: "asyncio.Task[None]") -> End:
        """Returns the end of a stream that the client has left.

        What it sent before it closed reaches the service, which learns that no more follows and may end.
        """
        if socket.refused == PayloadTooLarge.reason:
            return failed(PayloadTooLarge())
        if socket.refused:
            return End(socket.refused, BadRequest())
        if socket.has_closed:
            # Who opens the next one at once, such as a page that is loaded again, finds the slot free.
            self._stream.leave(CLIENT_GONE)
            with suppress(TimeoutError, ServiceError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await asyncio.wait({up})
                    if self._failure_of(up) is None and not self._client_has_finished:
                        await self._call.end_sending()
                    await asyncio.wait({down})
        return CLIENT_GONE

    async def _up(self, socket: WebSocket) -> None:
        """Takes the client's messages to the service, until the client has left."""
        with suppress(PeerGone):
            while True:
                message = await socket.receive()
                self._stream.received(len(message))
                if isinstance(message, bytes):
                    request = self._codec.repeat(message) or await self._codec.read(None, message)
                else:
                    values = parse_body(message.encode())
                    if len(values) == 1 and not CONTROLS.isdisjoint(values):
                        await self._control(values)
                        continue
                    request = await self._codec.read(values, None)
                if self._client_has_finished:
                    raise BadRequest("A message came after the end.")
                await self._call.send(request)

    async def _down(self, socket: WebSocket) -> None:
        """Takes the service's messages to the client, until the service has ended.

        Messages for a client that has left are dropped, so that a service which is about to end can do so.
        """
        first, self._first = self._first, None
        raw = await (first if first is not None else self._call.receive())
        while raw is not None:
            if not socket.left.done():
                data, is_binary = self._codec.frame(raw)
                if len(data) > self._bounds.message_bytes:
                    limit = self._bounds.message_bytes
                    log.error("message of a stream too large; stream ended", bytes=len(data), limit=limit)
                    raise ServiceError
                with suppress(PeerGone):
                    await socket.send(data, binary=is_binary)
                    self._stream.sent(len(data))
            raw = await self._call.receive()

    async def _control(self, values: dict[str, Any]) -> None:
        if END_KEY in values:
            if values[END_KEY] is not True:
                raise InvalidJson
            if self._client_has_finished:
                raise BadRequest("The messages have ended before.")
            self._client_has_finished = True
            await self._call.end_sending()
            return
        self._renewals.offer(values[AUTH_KEY])

    def _take_at_once(self, message: bytes | str) -> bool:
        taken = self._renewals.take_at_once(message)
        if taken:
            self._stream.received(len(message))
        return taken

    def _end_by(self, down: "asyncio.Task[None]", *others: "asyncio.Task[None]") -> End | None:
        """Returns the end that the service or a failure has brought about."""
        for task in (down, *others):
            if task.done() and (end := self._failure_of(task)) is not None:
                return end
        return FINISHED if down.done() else None

    def _failure_of(self, task: "asyncio.Task[None]") -> End | None:
        """Returns the end that a task's failure brings about; None when it has not failed."""
        error = task.exception() if not task.cancelled() else None
        if error is None:
            return None
        if isinstance(error, ServiceError):
            return failed(error)
        log.error("stream failed", method=self._stream.holder.method, exc_info=error)
        return failed(ServiceError())


async def _warn(socket: WebSocket, seconds: float) -> None:
    with suppress(PeerGone):
        await socket.send(orjson.dumps({"ending": {"seconds": round(seconds)}}), binary=False)
